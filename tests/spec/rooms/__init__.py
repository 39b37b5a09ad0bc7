"""One file a room; each holds the sentences that its tests claim."""

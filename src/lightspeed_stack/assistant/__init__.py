"""The turn itself."""

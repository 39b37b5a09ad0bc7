"""Who asks, and what may be asked."""

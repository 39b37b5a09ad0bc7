"""What the model may read."""

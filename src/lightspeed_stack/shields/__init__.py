"""What may pass, from a caller to a model and back."""

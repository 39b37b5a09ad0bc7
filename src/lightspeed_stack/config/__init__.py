"""``lightspeed-stack.yaml`` as one frozen tree: read once, checked once, handed out by section."""

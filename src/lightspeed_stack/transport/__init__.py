"""How requests reach a server of models: over HTTP, or inside this process."""

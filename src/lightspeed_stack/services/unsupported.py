"""What a configuration asks for and this release does not do yet: said at every start, never passed over in silence."""

from lightspeed_stack.config.tree import Config


def without_effect(config: Config) -> list[str]:
    """One sentence for each key that is set and has no effect."""
    asked = {"mcp_servers": bool(config.mcp_servers)}
    return [f"{key} has no effect in this release" for key, is_set in asked.items() if is_set]

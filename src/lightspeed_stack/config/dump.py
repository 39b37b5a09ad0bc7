"""The configuration as others may see it: complete, with its secrets masked."""

import json
from typing import Any

from lightspeed_stack.config.tree import Config


def dump(config: Config) -> str:
    """The content of ``configuration.json``: indented by 4, every default filled in, no newline at the end."""
    return config.model_dump_json(indent=4)


def as_json(config: Config) -> dict[str, Any]:
    """The same as a tree, for ``/v1/config``."""
    tree: dict[str, Any] = json.loads(dump(config))
    return tree

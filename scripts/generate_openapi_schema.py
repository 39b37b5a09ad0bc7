"""Write ``docs/openapi.json``, the OpenAPI document of a service with the smallest configuration.

python scripts/generate_openapi_schema.py [OUTFILE]
"""

import json
import sys
from pathlib import Path

from lightspeed_stack.api.app import create_app
from lightspeed_stack.config.tree import Config

DOCUMENT = Path(__file__).parents[1] / "docs" / "openapi.json"

# The name stands in the document's title.
SMALLEST = {
    "name": "lightspeed-stack",
    "service": {},
    "llama_stack": {"url": "http://localhost:8321"},
    "user_data_collection": {},
}


def document() -> str:
    """The whole file."""
    return json.dumps(create_app(Config.model_validate(SMALLEST)).openapi(), indent=2) + "\n"


def main(arguments: list[str]) -> None:
    (Path(arguments[0]) if arguments else DOCUMENT).write_text(document(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

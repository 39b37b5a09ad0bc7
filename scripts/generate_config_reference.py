"""Write ``docs/reference/configuration.md`` from the sections of the configuration.

python scripts/generate_config_reference.py [FILE]
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lightspeed_stack.config.keys import is_list, is_secret, section_of
from lightspeed_stack.config.section import Room, Section
from lightspeed_stack.config.tree import Config
from lightspeed_stack.services.adapters import adapter_settings

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"

ADAPTERS: tuple[tuple[Room, str, str], ...] = (
    ("backends", "inference.providers[]", "openai"),
    ("backends", "inference.providers[]", "embedded"),
    ("shields", "shields[]", "redaction"),
    ("shields", "shields[]", "question_validity"),
    ("shields", "shields[]", "moderation"),
    ("shields", "shields[]", "injection"),
)
"""The adapters with settings of their own: room, where an entry of the configuration names them, name."""

PREFACE = """\
# Configuration

<!-- Written by scripts/generate_config_reference.py from the sections in src/lightspeed_stack/config. -->

One YAML file, `lightspeed-stack.yaml` in the working directory or the one named with `-c`. Unknown keys are refused at
every level. `lightspeed-stack -d` writes the file as it was understood, with all defaults and without secrets, to
`configuration.json`.

The smallest file that works with a Llama Stack server:

```yaml
name: my service
service: {}
llama_stack:
  url: http://localhost:8321
user_data_collection: {}
```

## Values from the environment

| Form | Variable set and not empty | Unset or empty |
|---|---|---|
| `${env.NAME}` | its value | an error |
| `${env.NAME:=default}` | its value | `default`, which may be empty |
| `${env.NAME:+text}` | `text` | empty |

References stand in values, not in keys, alone or inside a longer text. Names have capital letters, digits and
underscores; defaults hold no `}`. A leading `~` of what is put in becomes the home directory. A value that changed is
then read as a number or boolean where it looks like one, and as null where it is empty. List items whose
`provider_id` becomes `__disabled__` are left out.

## Keys

A path with `[]` stands for every item of a list. "Required" holds where the mapping around the key is given.
"""


def reference() -> str:
    """The whole page."""
    settings = (
        line
        for room, place, name in ADAPTERS
        if (section := adapter_settings(room, name)) is not None
        for line in _tables(section, f"{place}.extra.", f" of the type `{name}`")
    )
    return "\n".join([PREFACE, *_tables(Config, ""), *settings])


def _tables(section: type[Section], prefix: str, of: str = "") -> Iterator[str]:
    """The table of one section, then those of the sections below it; ``of`` says more of whose they are."""
    title = f"`{prefix.rstrip('.')}`{of}" if prefix else "The whole file"
    yield f"### {title}\n"
    if section.__doc__:
        yield section.__doc__.split("\n\n", maxsplit=1)[0].strip() + "\n"
    yield "| Key | Type | Default | Meaning |\n|---|---|---|---|"
    for name, field in section.model_fields.items():
        yield f"| `{name}` | {_type(field)} | {_default(field)} | {_meaning(field)} |"
    yield ""
    for name, field in section.model_fields.items():
        below = section_of(field)
        if below is not None:
            yield from _tables(below, f"{prefix}{name}{'[]' if is_list(field) else ''}.", of)


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _type(field: FieldInfo) -> str:
    kind = _kind(field)
    if is_list(field):
        kind = f"list of {kind}"
    return f"{kind} or null" if type(None) in get_args(field.annotation) else kind


def _kind(field: FieldInfo) -> str:
    if section_of(field) is not None:
        return "section"
    if is_secret(field):
        return "secret"
    shown = str(field.annotation)
    names = {
        "Literal": "word",
        "JsonPathOperator": "word",
        "Action": "word",
        "Mapping": "mapping",
        "Path": "file",
        "bool": "boolean",
        "int": "integer",
        "float": "number",
        "str": "string",
    }
    return next((name for sign, name in names.items() if sign in shown), "anything")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return "its defaults"
    value: Any = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value)}`"


def main(arguments: list[str]) -> None:
    page = Path(arguments[0]) if arguments else PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(reference(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Loads configurations with a release's own code. Run by that release's interpreter; nothing of ours is imported.

``python run_yaml_loader.py PACKAGE FILE…``, where PACKAGE is ``ogx`` or ``llama_stack``. The last line it says is JSON:
for each file what is wrong with it, or null.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml


def load(package: str, file: Path) -> str | None:
    """The release's loader, then each provider's own configuration class with its ``config``.

    These classes pass over keys that they do not know, which is how a key of another release goes unnoticed: that is
    wrong here. So is a model of a provider that is not there.
    """
    configure = importlib.import_module(f"{package}.core.configure")
    distribution = importlib.import_module(f"{package}.core.distribution")
    dynamic = importlib.import_module(f"{package}.core.utils.dynamic")
    config = configure.parse_and_maybe_upgrade_config(yaml.safe_load(file.read_text("utf-8")))
    registry = {api.value: specs for api, specs in distribution.get_provider_registry().items()}
    for api, providers in config.providers.items():
        for provider in providers:
            settings = dynamic.instantiate_class_type(registry[api][provider.provider_type].config_class)
            if strange := set(provider.config) - names(settings):
                return f"{provider.provider_type} knows no {sorted(strange)}"
            settings(**provider.config)
    models = getattr(config, "registered_resources", config).models
    strange = {model.provider_id for model in models} - {it.provider_id for it in config.providers["inference"]}
    return f"models of {sorted(strange)}, which is no provider" if strange else None


def names(settings: Any) -> set[str]:
    """The keys of a Pydantic model."""
    return {field.alias or name for name, field in settings.model_fields.items()}


def told(package: str, file: Path) -> str | None:
    try:
        return load(package, file)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    print(json.dumps({name: told(sys.argv[1], Path(name)) for name in sys.argv[2:]}))  # noqa: T201 - the answer

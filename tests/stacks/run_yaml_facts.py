"""What a release says of its configuration: run by that release's interpreter; nothing of ours is imported.

``python run_yaml_facts.py PACKAGE FILE…``, where PACKAGE is ``ogx`` or ``llama_stack``. The last line it says is JSON:
``apis`` that have providers, what may stand in ``apis`` (``served``), per API and type of provider the keys of its
configuration (true where they are required) and the packages it asks for, and ``verdicts``: for each file why the
release does not start with it, or null.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml


class Facts:
    def __init__(self, package: str) -> None:
        self.configure = importlib.import_module(f"{package}.core.configure")
        self.resolver = importlib.import_module(f"{package}.core.resolver")
        distribution = importlib.import_module(f"{package}.core.distribution")
        self.registry = distribution.get_provider_registry()
        routed = distribution.builtin_automatically_routed_apis()
        self.tables, self.routers = {it.routing_table_api for it in routed}, {it.router_api for it in routed}
        self.api = type(next(iter(self.registry)))

    def settings(self, specification: Any) -> Any:
        module, _, name = specification.config_class.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def of(self, specification: Any) -> dict[str, Any]:
        fields = self.settings(specification).model_fields
        keys = {(field.alias or name): field.is_required() for name, field in fields.items()}
        return {"keys": keys, "packages": list(specification.pip_packages)}

    def refusal(self, file: Path) -> str | None:
        """What its server does with the file before it serves, but for opening what is stored and connecting."""
        try:
            config = self.configure.parse_and_maybe_upgrade_config(yaml.safe_load(file.read_text("utf-8")))
            self.resolver.validate_and_prepare_providers(config, self.registry, self.tables, self.routers)
            for name in config.apis or ():
                self.api(name)
            for api, providers in config.providers.items():
                for provider in providers:
                    if provider.provider_id and provider.provider_id != "__disabled__":
                        specification = self.registry[self.api(api)][provider.provider_type]
                        self.settings(specification)(**provider.config)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return f"{type(error).__name__}: {error}"
        return None


def told(package: str, files: list[str]) -> dict[str, Any]:
    facts = Facts(package)
    return {
        "apis": [api.value for api in facts.registry],
        "served": [api.value for api in facts.api],
        "routed": [api.value for api in facts.routers],
        "types": {
            api.value: {type_: facts.of(specification) for type_, specification in specifications.items()}
            for api, specifications in facts.registry.items()
        },
        "verdicts": {file: facts.refusal(Path(file)) for file in files},
    }


if __name__ == "__main__":
    print(json.dumps(told(sys.argv[1], sys.argv[2:])))  # noqa: T201 - the answer

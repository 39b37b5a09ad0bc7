"""The stack's own configuration file, read by the release that is installed, with mistakes told as we tell ours.

A message names line and key, and what pydantic has against a value; never the value, and nothing else in the release's
own words: those may quote a secret.
"""

import copy
import gc
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lightspeed_stack.config.load import refused
from lightspeed_stack.config.source import Document, KeyPath, Problem, SourceError, dotted, read_yaml
from lightspeed_stack.errors import AssistantError, ConfigurationError, StackUnavailable
from lightspeed_stack.stack.library_release import Release

KEY = "llama_stack.library_client_config_path"

FILLED_IN = frozenset({"metadata_store", "vector_stores_config"})
"""Keys of a provider that a release takes from elsewhere in the file where they are missing."""

NOT_HERE = frozenset({"telemetry"})
"""APIs that are left out: it watches the stack's own server, and takes over the root logger for that."""

WORDS_OF_THE_RELEASE = frozenset({"value_error", "assertion_error"})
"""Kinds of mistakes that pydantic tells in the words of the model's author."""

UNREACHABLE = frozenset(
    {"APIConnectionError", "ConnectError", "ConnectTimeout", "ConnectionError", "TimeoutError", "gaierror"}
)
"""Names of exceptions, of several libraries, that mean that something the stack needs does not answer."""


NOT_OFFERED = frozenset({"UnsupportedModelError"})
"""What 0.2 raises both where a provider lacks a model and where the provider itself cannot be reached."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of the file: where it stands, and the release's specification of its type."""

    path: KeyPath
    spec: Any


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The file as its release understands it: ``config`` and ``registry`` are objects of that release."""

    release: Release
    file: Path
    document: Document
    config: Any
    registry: Mapping[Any, Mapping[str, Any]]
    providers: list[Provider] = field(default_factory=list)


def read_run_config(release: Release, file: Path) -> RunConfig:
    """Raises ConfigurationError that names every mistake."""
    try:
        document = read_yaml(file)
    except SourceError as error:
        raise _refused(release, file, list(error.problems)) from None
    if not isinstance(document.value, dict):
        raise _refused(release, file, [Problem("the file is not a mapping of keys to values", "name a run.yaml", 1)])
    with starting(RunConfig(release, file, document, None, {})):
        config = import_module(f"{release.package}.core.configure").parse_and_maybe_upgrade_config(
            copy.deepcopy(document.value)
        )
        registry = import_module(f"{release.package}.core.distribution").get_provider_registry(config)
    run = RunConfig(release, file, document, config, registry)
    _leave_out(run)
    if problems := list(_look_through_providers(run)):
        raise _refused(release, file, problems)
    return run


def _leave_out(run: RunConfig) -> None:
    """Drop what a stack has for its own server."""
    for api in NOT_HERE & run.config.providers.keys():
        del run.config.providers[api]
    telemetry = getattr(run.config, "telemetry", None)
    if telemetry is not None:
        telemetry.enabled = False


def _look_through_providers(run: RunConfig) -> Iterator[Problem]:
    """Everything wrong with the providers' types and settings; notes those that are right in ``run.providers``."""
    classes = import_module(f"{run.release.package}.core.utils.dynamic")
    known = {api.value: specs for api, specs in run.registry.items()}
    for api, entries in run.config.providers.items():
        kept = []
        for place, entry in enumerate(entries):
            path: KeyPath = ("providers", api, place)
            if not entry.provider_id or entry.provider_id == "__disabled__":
                continue
            spec = known.get(api, {}).get(entry.provider_type)
            if spec is None:
                fix = f"write a provider_type that {run.release} has for {api}"
                yield _at(run, (*path, "provider_type"), "there is no such provider", fix)
                continue
            # A provider that works in processes of its own cuts up files, which nobody uploads to this stack.
            if getattr(spec, "execution_mode", None) == "worker":
                continue
            kept.append(entry)
            provider = Provider(path, spec)
            run.providers.append(provider)
            try:
                classes.instantiate_class_type(spec.config_class)(**entry.config)
            except ImportError as error:
                yield _missing(run, error, provider)
            except ValidationError as error:
                yield from _settings(run, error, (*path, "config"), but=FILLED_IN)
        run.config.providers[api] = kept


@contextmanager
def starting(run: RunConfig) -> Iterator[None]:
    """Translate what a release raises while it reads its file and starts.

    Raises StackUnavailable where it waits for somebody else, ConfigurationError in all other cases.
    """
    try:
        yield
    except AssistantError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the border to a foreign program
        translated = _translated(run, error)
        traceback.clear_frames(error.__traceback__)
        gc.collect()  # connections that were half open are closed by it, while their loop still runs
        raise translated from None


def _translated(run: RunConfig, error: BaseException) -> AssistantError:
    provider = _provider_of(error, run)
    path = provider.path if provider is not None else ()
    if isinstance(error, ImportError):
        return _refused(run.release, run.file, [_missing(run, error, provider)])
    if isinstance(error, ValidationError):
        return _refused(run.release, run.file, list(_settings(run, error, ())))
    kinds = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    if "EnvVarError" in kinds:
        return _refused(run.release, run.file, [_unset(run, str(getattr(error, "var_name", "")), error)])
    if kinds & UNREACHABLE:
        return StackUnavailable("Connection error.")
    if kinds & NOT_OFFERED:
        return StackUnavailable("A model of the stack is not offered by its provider, or that does not answer.")
    problem = _at(
        run,
        path,
        f"the stack does not start with this ({type(error).__name__})",
        f"start a server of {run.release} with this file to read its own words",
    )
    return _refused(run.release, run.file, [problem])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, what it was raised from, and so on."""
    seen = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _provider_of(error: BaseException, run: RunConfig) -> Provider | None:
    """The provider in whose code an error came up."""
    passed = {frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)}
    for provider in run.providers:
        module = getattr(provider.spec, "module", None)
        if module and any(name == module or name.startswith(f"{module}.") for name in passed):
            return provider
    return None


def _settings(
    run: RunConfig, error: ValidationError, above: KeyPath, *, but: frozenset[str] = frozenset()
) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        path: KeyPath = above + detail["loc"]
        if detail["loc"] and detail["loc"][0] in but:
            continue
        message = "this value is not accepted" if detail["type"] in WORDS_OF_THE_RELEASE else detail["msg"]
        name = path[-1] if path else "key"
        fix = {"missing": f"add  {name}: …", "extra_forbidden": "remove the key"}.get(
            detail["type"], f"write what {run.release} expects here"
        )
        yield _at(run, path, message, fix)


def _unset(run: RunConfig, variable: str, error: BaseException) -> Problem:
    steps = re.findall(r"[^.\[\]]+", str(getattr(error, "path", "")))
    path: KeyPath = tuple(int(step) if step.isdecimal() else step for step in steps)
    fix = f"set {variable} before the start, or write a default:  ${{env.{variable}:=default}}"
    return _at(run, path, f"the environment variable {variable} is not set", fix)


def _missing(run: RunConfig, error: ImportError, provider: Provider | None) -> Problem:
    name = (error.name or "").partition(".")[0]
    if not name:
        return _at(run, (), "a Python module cannot be imported", f"install what {run.release} needs for this")
    # The distribution that brings a module is mostly named like it: faiss-cpu, pymilvus[milvus-lite]>=3.
    wanted = [package.split()[0] for package in getattr(provider and provider.spec, "pip_packages", ())]
    plain = name.replace("_", "-")
    package = next((one for one in wanted if one.lower().startswith(plain.lower())), plain)
    path = provider.path if provider is not None else ()
    return _at(run, path, f"the Python module {name} cannot be imported", f"pip install '{package}'")


def _at(run: RunConfig, path: KeyPath, message: str, fix: str) -> Problem:
    return Problem(message, fix, run.document.line(path) if path else None, dotted(path))


def _refused(release: Release, file: Path, problems: list[Problem]) -> ConfigurationError:
    head = f"{KEY}: {release} cannot run with this file"
    return ConfigurationError(f"{head}\n{refused(file, problems).cause}")

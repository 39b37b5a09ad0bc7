"""Examines a configuration and the Llama Stack's own (``run.yaml``): what it offers, what is wrong, what must change.

Above: ``cli.doctor`` prints it. Below: ``config`` reads and compares. Nothing is connected to, and no secret is shown.
"""

import dataclasses
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from lightspeed_stack.config.data import ByokRagSection
from lightspeed_stack.config.load import load_config, refused
from lightspeed_stack.config.run_yaml import Generation, Provider, RunFile, below, read_run_file
from lightspeed_stack.config.run_yaml_checks import Remark, faults
from lightspeed_stack.config.run_yaml_faiss import stored_index
from lightspeed_stack.config.run_yaml_releases import PACKAGES, RELEASES, Release, release_for
from lightspeed_stack.config.run_yaml_upgrade import changes
from lightspeed_stack.config.section import SettingsOf, no_settings
from lightspeed_stack.config.source import Problem, SourceError, dotted, read_yaml
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import ConfigurationError
from lightspeed_stack.shields.base import Stage, stage_of
from lightspeed_stack.stack.library_release import Release as Installed
from lightspeed_stack.stack.library_release import installed


class Severity(StrEnum):
    """A ``NOTE`` is worth knowing, a ``STEP`` leads to a later release, an ``ERROR`` keeps something from starting."""

    NOTE = "note"
    STEP = "step"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject`` is a place of a file, or what is spoken of; ``fix`` is empty where nothing is to be done."""

    severity: Severity
    subject: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    chapters: tuple[Chapter, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that keeps the service, or its stack, from starting."""
        return all(it.severity is not Severity.ERROR for chapter in self.chapters for it in chapter.findings)


def examine(
    config_file: Path | None,
    run_yaml: Path | None = None,
    *,
    environ: Mapping[str, str],
    installed: Callable[[], Installed] = installed,
    settings_of: SettingsOf = no_settings,
) -> Report:
    """Examine the service's configuration and the stack's: ``run_yaml``, or the one that the former names, if any.

    ``installed`` is asked where the stack runs inside the service's process. A file that cannot be used is a finding,
    never an error.
    """
    chapters: list[Chapter] = []
    config = release = library = None
    if config_file is not None:
        config, findings = _load(config_file, environ, settings_of)
        library = _library(config)
        if library is not None:
            release, missing = _installed(installed)
            findings = (*findings, *missing)
        chapters.append(Chapter(str(config_file), (*findings, *(_answering(config, release) if config else ()))))
    file = run_yaml or library
    if file is None:
        return Report(tuple(chapters))
    try:
        run = _read(file, environ)
    except ConfigurationError as error:
        return Report((*chapters, Chapter(str(file), tuple(_refusals(error)))))
    wrong = [
        *_faults(run, file, in_process=library is not None),
        *(_for_installed(run, file, release_for(release.distribution, release.version)) if release else ()),
        *(_fitting(config, run, file) if config else ()),
    ]
    chapters.append(Chapter(f"{file}: what it offers", tuple(_offers(run))))
    if wrong:
        chapters.append(Chapter(f"{file}: what is wrong", tuple(wrong)))
    return Report((*chapters, *_upgrades(run, file)))


def _load(path: Path, environ: Mapping[str, str], settings_of: SettingsOf) -> tuple[Config | None, Iterable[Finding]]:
    try:
        return load_config(path, environ=environ, settings_of=settings_of), ()
    except ConfigurationError as error:
        return None, _refusals(error)


def _read(path: Path, environ: Mapping[str, str]) -> RunFile:
    try:
        document = read_yaml(path)
    except SourceError as error:
        raise refused(path, error.problems) from None
    if not isinstance(document.value, dict):
        fix = "name a Llama Stack configuration with --run-yaml"
        raise refused(path, [Problem("the file is not a mapping", fix, document.line(()))])
    return read_run_file(document, environ)


def _refusals(error: ConfigurationError) -> Iterator[Finding]:
    """The problems of a file, which are told in two lines each."""
    lines = error.cause.split("\n")
    for line, fix in zip(lines[::2], lines[1::2], strict=False):
        place, _, message = line.partition(": ")
        yield Finding(Severity.ERROR, place, message, fix.strip().removeprefix("fix: "))


def _library(config: Config | None) -> Path | None:
    """The file of the stack that runs inside the service's process, if one does."""
    stack = config.llama_stack if config is not None else None
    if stack is None or not stack.use_as_library_client:
        return None
    return Path(stack.library_client_config_path or "")


def _installed(ask: Callable[[], Installed]) -> tuple[Installed | None, Iterable[Finding]]:
    try:
        return ask(), ()
    except ConfigurationError as error:
        return None, _refusals(error)


def _answering(config: Config, release: Installed | None) -> Iterator[Finding]:
    """Where models answer."""
    stack = config.llama_stack
    if stack is not None and stack.use_as_library_client:
        what = f"{release} " if release else ""
        message = f"{what}runs inside this process, from {stack.library_client_config_path}"
        yield _note("llama_stack", message)
    elif stack is not None:
        yield _note("llama_stack", f"is the server at {_host(stack.url or '')}; --run-yaml examines its configuration")
    if config.inference.providers:
        ids = ", ".join(provider.id for provider in config.inference.providers)
        yield _note("inference.providers", f"this service talks itself to: {ids}")


def _host(url: str) -> str:
    """Host and port of a URL: what stands before them may be a password."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "an address that cannot be read"


SCHEMAS = {
    Generation.OLD: "that of Llama Stack 0.2",
    Generation.MIDDLE: "that of Llama Stack 0.3 to 0.7",
    Generation.OGX: "that of OGX; Llama Stack 0.7 may read it too",
}
USED_APIS = ("inference", "vector_io", "safety", "files", "file_processors")
"""The last two put documents into vector stores; the service itself does not ask for them."""
STAGES = {Stage.INPUT: "looks at questions", Stage.OUTPUT: "looks at answers", Stage.INOUT: "looks at both"}


def _offers(run: RunFile) -> Iterator[Finding]:
    """What the stack has for this service, and what it has besides."""
    yield _note("schema", SCHEMAS[run.generation])
    yield _note("name", run.name or "none")
    yield _note("port", str(run.server.port))
    yield _note("inference", _listed(f"{it.id} ({it.type})" for it in run.enabled("inference")))
    enabled = [model for model in run.models if model.enabled]
    for kind, subject in (("llm", "models"), ("embedding", "embedding models")):
        found = [model.identifier(run.generation) for model in enabled if model.kind == kind]
        yield _note(subject, _listed(found, "none registered; those that a provider lists itself are there too"))
    yield _note("vector_io", _listed(f"{it.id} ({it.type})" for it in run.enabled("vector_io")))
    stores = [f"{it.name} ({it.id})" if it.name else it.id for it in run.stores if it.enabled]
    yield _note("vector stores", _listed(stores, "none registered; those that were made over the API are there too"))
    shields = [f"{it.id} ({STAGES[stage_of(it.id)]})" for it in run.shields if it.enabled]
    if run.generation is not Generation.OGX:
        yield _note("shields", _listed(shields))
    groups = [it.id for it in run.tool_groups if it.enabled]
    if groups:
        yield _note("tool groups", f"{_listed(groups)}; not used, lightspeed-stack has tools of its own")
    unused = dict.fromkeys(it.api for it in run.providers if it.enabled and it.api not in USED_APIS)
    if unused:
        yield _note("not used", f"{_listed(unused)}; lightspeed-stack asks for none of them")
    off = [f"{it.id} ({it.needs})" if it.needs else it.id or it.type for it in run.providers if not it.enabled]
    if off:
        yield _note("off", f"{_listed(off)}; in parentheses the variable that switches it on")
    places = dict.fromkeys(it.where for it in run.places if it.where)
    yield _note("keeps data in", _listed(places, "its default places"))
    if _keeps_answers(run):
        yield _note("keeps answers", "all that is asked and said; deleting a conversation here deletes nothing there")
    if run.server.auth:
        yield _note("server.auth", "callers need a token: set llama_stack.api_key")


def _keeps_answers(run: RunFile) -> bool:
    """Whether the stack has a store for completions, and is not told to leave it empty as OGX since 1.5 can be."""
    store = run.tree.get("inference_store") or below(run.tree, ("storage", "stores", "inference"))
    return isinstance(store, dict) and store.get("enabled") is not False


def _note(subject: str, message: str) -> Finding:
    return Finding(Severity.NOTE, subject, message)


def _listed(items: Iterable[str], nothing: str = "none") -> str:
    return ", ".join(items) or nothing


def _told(run: RunFile, file: Path, remark: Remark, otherwise: Severity) -> Finding:
    """A remark with its place; ``otherwise`` is for one that does not keep a stack from starting."""
    place = f"{file}:{run.document.line(remark.path)}: {dotted(remark.path)}"
    if not remark.stops:
        return Finding(otherwise, place, remark.message, remark.fix)
    if otherwise is Severity.STEP:
        return Finding(Severity.STEP, place, f"{remark.message}; it would not start", remark.fix)
    return Finding(Severity.ERROR, place, remark.message, remark.fix)


def _faults(run: RunFile, file: Path, *, in_process: bool) -> Iterator[Finding]:
    unset = {reference.path for reference in run.unset}
    for remark in faults(run):
        finding = _told(run, file, remark, Severity.WARNING)
        if remark.path in unset and not in_process:
            # A server has an environment of its own.
            yield Finding(Severity.WARNING, finding.subject, f"{finding.message} here", finding.fix)
        else:
            yield finding


def _for_installed(run: RunFile, file: Path, release: Release) -> Iterator[Finding]:
    """What the release refuses or passes over that runs inside this process: nothing is served there, or watched."""
    for remark in changes(run, release):
        if remark.path[0] == "apis" or remark.path[:2] == ("providers", "telemetry"):
            yield _told(run, file, dataclasses.replace(remark, stops=False), Severity.WARNING)
        elif remark.path[0] != "server":
            yield _told(run, file, remark, Severity.WARNING)


def _fitting(config: Config, run: RunFile, file: Path) -> Iterator[Finding]:
    """Where the two configurations do not go together."""
    yield from _default_model(config, run, file)
    stores = {store.id: store for store in run.stores}
    generate = f"run  lightspeed-stack -g -i {file} -o {file}"
    for index, entry in enumerate(config.byok_rag):
        subject = f"byok_rag[{index}].vector_db_id"
        store = stores.get(entry.vector_db_id)
        if store is None:
            yield Finding(Severity.WARNING, subject, f"{file} has no store '{entry.vector_db_id}'", generate)
        elif entry.rag_type == "inline::faiss" and run.generation is not Generation.OLD:
            provider = next((it for it in run.enabled("vector_io") if it.id == store.provider_id), None)
            yield from _stored(entry, run, provider, subject, generate)


def _stored(
    entry: ByokRagSection, run: RunFile, provider: Provider | None, subject: str, generate: str
) -> Iterator[Finding]:
    """Whether the stack finds what is in the entry's file."""
    stored = stored_index(entry.db_path, entry.vector_db_id)
    reference = provider.config.get("persistence") if provider is not None else None
    if stored is None or not isinstance(reference, dict):
        return
    if stored.old:
        message = f"'{entry.db_path}' holds chunks of Llama Stack 0.2, with which a later one does not start"
        yield Finding(Severity.ERROR, subject, message, "build it anew from the documents")
    elif run.generation is Generation.OGX and reference.get("namespace") != stored.namespace:
        message = f"OGX does not find what '{entry.db_path}' holds under the namespace '{stored.namespace}'"
        yield Finding(Severity.WARNING, subject, message, generate)
    elif run.generation is Generation.MIDDLE and stored.namespace:
        message = f"Llama Stack up to 0.7 does not find what OGX has stored in '{entry.db_path}'"
        yield Finding(Severity.WARNING, subject, message, "build it anew from the documents, or upgrade to OGX")


def _default_model(config: Config, run: RunFile, file: Path) -> Iterator[Finding]:
    provider, model = config.inference.default_provider, config.inference.default_model
    if provider is None or model is None or any(it.id == provider for it in config.inference.providers):
        return
    known = [it.id for it in run.enabled("inference")]
    if provider not in known:
        message = f"{file} has no inference provider '{provider}' that is on"
        fix = f"write one of: {_listed(known)}"
        yield Finding(Severity.WARNING, "inference.default_provider", message, fix)
        return
    registered = [it for it in run.models if it.enabled and it.provider_id == provider]
    names = {name for it in registered for name in (it.id, it.provider_model_id, it.identifier(run.generation))}
    if model not in names:
        message = f"{file} does not register '{model}': it answers only if {provider} lists it itself"
        yield Finding(Severity.NOTE, "inference.default_model", message, f"registered are: {_listed(sorted(names))}")


def _upgrades(run: RunFile, file: Path) -> Iterator[Chapter]:
    """What each later release needs, and the one before did not."""
    told: set[Remark] = set()
    for release in RELEASES:
        if release.generation < run.generation or release.generation is Generation.OLD:
            continue
        needed = changes(run, release)
        also = ", with steps above" if told.intersection(needed) else ""
        steps = [_told(run, file, remark, Severity.STEP) for remark in needed if remark not in told]
        told.update(needed)
        packages = {name for it in run.providers if it.enabled for name in PACKAGES.get((it.api, it.type), ())}
        notes = [
            _note("install", shlex.join((*release.requirements, *sorted(packages)))),
            _note("start", release.start.format(file=shlex.quote(str(file)), port=run.server.port)),
        ]
        if not needed:
            notes.append(_note("steps", "none, it takes the file as it is"))
        yield Chapter(f"To run {file} with {release.name}{also}", (*notes, *steps))

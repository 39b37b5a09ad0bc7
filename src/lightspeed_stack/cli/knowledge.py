"""``lightspeed-stack ingest`` and ``lightspeed-stack search``: documents into a store, and what a question finds.

Above: ``main`` dispatches here. Below: ``services.knowledge``.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from lightspeed_stack.config.assistant import LlamaStackSection
from lightspeed_stack.config.data import RagSection, StoreSection
from lightspeed_stack.config.load import load_config
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import AssistantError, ConfigurationError
from lightspeed_stack.retrieval.ingest import Addresses, Change, Outcome
from lightspeed_stack.retrieval.markdown import web_address
from lightspeed_stack.services.adapters import adapter_settings
from lightspeed_stack.services.knowledge import open_ingest, search_once

CONFIG_FILE = Path("lightspeed-stack.yaml")
INTERRUPTED = 130


def ingest(argv: list[str]) -> int:
    """Bring a store up to date with documents; 1 where a document or the store failed."""
    parser = argparse.ArgumentParser(
        prog="lightspeed-stack ingest",
        description="Put documents into a knowledge store: Markdown, HTML, PDF and plain text. Documents that did not "
        "change cost nothing; those that have vanished from below a PATH are removed.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all below it")
    parser.add_argument("--store", required=True, metavar="NAME", help="the store, as named under rag.stores")
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"configuration file (default: {CONFIG_FILE})")
    parser.add_argument("--path", type=Path, metavar="STORE_FILE", help="the store's file, instead of the configured")
    parser.add_argument("--base-url", metavar="URL", help="the documents' addresses are this with their paths behind")
    parser.add_argument("--strip-suffix", action="store_true", help="leave .md and the like out of the addresses")
    asked = parser.parse_args(argv)
    started = monotonic()
    outcomes: list[Outcome] = []
    try:
        addresses = Addresses(web_address(asked.base_url), asked.strip_suffix)
        section, llama_stack = _configured(asked.config)
        path = asked.path or Path(_store(section, asked.store, asked.config).path)
        with open_ingest(path, addresses, section.embedding, llama_stack) as library:
            try:
                for outcome in library.add(asked.paths):
                    outcomes.append(outcome)
                    _tell(outcome)
            finally:
                _show(_summary(outcomes, monotonic() - started))
    except AssistantError as error:
        print(error.cause, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; whole documents are stored, run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    return 1 if any(outcome.change is Change.FAILED for outcome in outcomes) else 0


def search(argv: list[str]) -> int:
    """Show the passages that a question finds; 1 where a store cannot be searched."""
    parser = argparse.ArgumentParser(
        prog="lightspeed-stack search", description="Show what the assistant would read to answer a question."
    )
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument("--store", metavar="NAME", help="search this store only (default: all under rag.stores)")
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"configuration file (default: {CONFIG_FILE})")
    parser.add_argument("--path", type=Path, metavar="STORE_FILE", help="search this file, instead of the configured")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many passages (default: rag.max_passages)")
    parser.add_argument("--min-score", type=float, metavar="X", help="leave out what is below (default: rag.min_score)")
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    asked = parser.parse_args(argv)
    try:
        section, llama_stack = _configured(asked.config)
        passages = search_once(_chosen(section, asked), llama_stack, asked.question)
    except AssistantError as error:
        print(error.cause, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    if asked.json:
        _show(json.dumps([_as_json(passage) for passage in passages], ensure_ascii=False, indent=2))
    elif not passages:
        _show("nothing is near enough to the question")
    else:
        _show("\n\n".join(_as_text(passage) for passage in passages))
    return 0


def _configured(config_file: Path | None) -> tuple[RagSection, LlamaStackSection | None]:
    """``rag`` and ``llama_stack`` of a configuration; defaults where no file is named and the usual one is not there.

    Read for a file named with ``--path`` as well: it says which model embeds.
    """
    if config_file is None and not CONFIG_FILE.exists():
        return RagSection.model_validate({}), None
    config = load_config(config_file or CONFIG_FILE, settings_of=adapter_settings)
    return config.rag, config.llama_stack


def _store(section: RagSection, name: str, config_file: Path | None) -> StoreSection:
    """Raises ConfigurationError where no store has the name, with what to write."""
    for store in section.stores:
        if store.name == name:
            return store
    names = ", ".join(store.name for store in section.stores) or "none"
    message = (
        f"{config_file or CONFIG_FILE}: rag.stores has no store '{name}' (it has: {names})\n"
        f"    fix: write  rag: {{stores: [{{name: {name}, path: ./{name}.db}}]}}  or name a file with --path"
    )
    raise ConfigurationError(message)


def _chosen(section: RagSection, asked: argparse.Namespace) -> RagSection:
    """The configured section, with what the command line says instead."""
    if asked.path:
        stores: Sequence[StoreSection] = [StoreSection(name=asked.store or asked.path.stem, path=str(asked.path))]
    elif asked.store:
        stores = [_store(section, asked.store, asked.config)]
    else:
        stores = section.stores
    if not stores:
        message = (
            f"{asked.config or CONFIG_FILE}: rag.stores names no store\n    fix: add one, or name a file with --path"
        )
        raise ConfigurationError(message)
    return section.model_copy(
        update={
            "stores": tuple(stores),
            "max_passages": section.max_passages if asked.limit is None else asked.limit,
            "min_score": section.min_score if asked.min_score is None else asked.min_score,
        }
    )


def _show(text: str) -> None:
    """Print; whoever stops reading, such as ``head``, ends the output but not the work."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(outcome: Outcome) -> None:
    if outcome.change is Change.FAILED:
        print(f"failed     {outcome.path}: {outcome.reason}", file=sys.stderr)
    elif outcome.change is not Change.UNCHANGED:
        chunks = f" ({outcome.chunks} chunks)" if outcome.chunks else ""
        _show(f"{outcome.change:<10} {outcome.path}{chunks}")


def _summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    counts = Counter(outcome.change for outcome in outcomes)
    told = ", ".join(f"{counts[change]} {change}" for change in Change)
    return f"{told}; {sum(outcome.chunks for outcome in outcomes)} chunks in {seconds:.1f} s"


def _as_text(passage: Passage) -> str:
    where = [" > ".join(passage.section), passage.url or "", f"characters {passage.start}-{passage.end}"]
    head = f"{passage.score:.3f}  {passage.title}  [{passage.source}]"
    return "\n".join([head, "  ".join(part for part in where if part), passage.content])


def _as_json(passage: Passage) -> dict[str, object]:
    return {
        "score": round(passage.score, 4),
        "title": passage.title,
        "section": list(passage.section),
        "url": passage.url,
        "source": passage.source,
        "start": passage.start,
        "end": passage.end,
        "content": passage.content,
        "attributes": dict(passage.attributes),
    }

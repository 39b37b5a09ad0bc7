"""What a FAISS database of a Llama Stack or OGX holds of a vector store: under which keys, and for whom."""

import re
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

DEFAULT_NAMESPACE = "vector_io::faiss"
"""What the distributions of all releases, and rag-content, write as the provider's namespace."""

_MAX_NAMESPACE = 200


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """``namespace`` stands before its keys, or "". ``old`` chunks are Llama Stack 0.2's, which later ones refuse."""

    namespace: str
    old: bool


def stored_index(file: Path, store_id: str) -> StoredIndex | None:
    """What the database in ``file`` holds of a store; None where it holds nothing, or cannot be read.

    Llama Stack up to 0.7 puts no namespace before the keys of a SQLite file, whatever is configured, and OGX does. So a
    file that was written by the one is empty to the other, unless the namespace says what stands in the file. Chunks of
    0.2 have no ``chunk_id``, and a stack that finds them does not start.

    The key is looked for in the bytes, where SQLite keeps a row's text as it is: a file that a running stack uses is
    neither opened as a database nor locked.

    Source: ``inline::faiss`` (``faiss_index:v3::`` and JSON as value) and ``kvstore/sqlite`` of the four releases.
    """
    key = f'faiss_index:v3::{store_id}{{"'.encode()
    try:
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            place = content.find(key)
            if place < 0:
                return None
            before = content[max(0, place - _MAX_NAMESPACE) : place]
            old = content.find(rb"\"stored_chunk_id\"") >= 0
    except (OSError, ValueError):  # not readable, or empty
        return None
    # What stands before the key in its row is a zero byte, or the namespace after one.
    found = re.search(rb"([!-~]+):\Z", before)
    return StoredIndex(found[1].decode("ascii") if found else "", old)

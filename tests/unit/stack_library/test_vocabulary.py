"""What keeps a stack's start from the network."""

import hashlib
from pathlib import Path

from lightspeed_stack.stack.library import WITHOUT_NETWORK
from tests.spec.registry import requirement

ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
"""Whose sha1 is the name by which tiktoken looks for the file."""


@requirement("stack:library:vocabulary")
def test_the_file_is_the_one_that_is_looked_for() -> None:
    folder = Path(WITHOUT_NETWORK["TIKTOKEN_CACHE_DIR"])
    content = (folder / hashlib.sha1(ADDRESS.encode(), usedforsecurity=False).hexdigest()).read_bytes()
    assert hashlib.sha256(content).hexdigest() in (folder / "NOTICE.md").read_text("utf-8")
    assert len(content.splitlines()) == 100_256

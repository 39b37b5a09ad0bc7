"""Vectors for the scripted model server: a text's words, hashed into a fixed number of places.

Two texts are near each other where they have words in common, so that a real vector store finds something real.
"""

import base64
import hashlib
import math
import re
import struct
from typing import Any

DIMENSION = 128


def embed(text: str, dimension: int = DIMENSION) -> list[float]:
    """A vector of L2 norm 1; words are compared without case, and only their first five letters."""
    vector = [0.0] * dimension
    for word in re.findall(r"\w+", text.lower()) or [""]:
        place = int.from_bytes(hashlib.sha256(word[:5].encode()).digest()[:8], "big") % dimension
        vector[place] += 1.0
    norm = math.sqrt(sum(value * value for value in vector))
    return [value / norm for value in vector]


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to ``POST /v1/embeddings``, in the encoding that was asked for."""
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts or []
    vectors = [embed(str(text), int(body.get("dimensions") or DIMENSION)) for text in texts]
    if body.get("encoding_format") == "base64":
        told: list[Any] = [base64.b64encode(struct.pack(f"<{len(it)}f", *it)).decode() for it in vectors]
    else:
        told = list(vectors)
    data = [{"object": "embedding", "index": index, "embedding": it} for index, it in enumerate(told)]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}

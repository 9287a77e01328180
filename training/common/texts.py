"""Texts as vectors of 384 numbers."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from policies.protocol import ActorCritic

SIZE = 384  # numbers of a vector
SENTENCE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Embedder(Protocol):
    """Texts -> float32 [K, 384], each of length 1."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray: ...


def ngrams(texts: Sequence[str]) -> np.ndarray:
    """A hashed bag of the words and of their pieces of 3 to 5 letters: no model, nothing to download.

    Returns:
        float32 [K, 384], each row of length 1; zeros for a text without a letter or digit.
    """
    vectors = np.zeros((len(texts), SIZE), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        for piece in _pieces(text):
            digest = int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=8).digest(), "little")
            vector[digest % SIZE] += 1.0 if digest >> 63 else -1.0  # signed: pieces that collide cancel on average
        vector /= max(float(np.linalg.norm(vector)), 1e-8)
    return vectors


def _pieces(text: str) -> list[str]:
    words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
    framed = [f"<{word}>" for word in words]
    parts = [word[i : i + n] for word in framed for n in range(3, 6) for i in range(len(word) - n + 1)]
    return words + parts


def sentences(texts: Sequence[str]) -> np.ndarray:
    """The vectors of all-MiniLM-L6-v2, which must be installed (`pip install sentence-transformers`) and at hand.

    Returns:
        float32 [K, 384], each row of length 1.

    Raises:
        ValueError: it is not.
    """
    try:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(SENTENCE_MODEL)
    except ImportError as error:
        raise ValueError("the embedder 'sentences' needs `pip install sentence-transformers`") from error
    except OSError as error:
        raise ValueError(f"the embedder 'sentences' cannot load {SENTENCE_MODEL}: {error}") from error
    return np.asarray(model.encode(list(texts), normalize_embeddings=True), np.float32)


EMBEDDERS: dict[str, Embedder] = {"ngrams": ngrams, "sentences": sentences}


def read(policy: ActorCritic, texts: Sequence[str]) -> ActorCritic:
    """A policy, its weights shared, for an environment whose rows number these texts; itself where it reads none.

    Raises:
        ValueError: nothing of the name of the policy's embedder is known.
    """
    if not policy.embedder or not texts:
        return policy
    if policy.embedder not in EMBEDDERS:
        raise ValueError(f"unknown embedder '{policy.embedder}', use one of: {', '.join(EMBEDDERS)}")
    return policy.reading(torch.from_numpy(EMBEDDERS[policy.embedder](texts)))

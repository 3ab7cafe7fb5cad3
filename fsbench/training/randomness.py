"""Randomness that depends on spelled-out words alone: no global generator, whatever was drawn before.

Two calls with the same words give the same numbers, in any process, on any rank, after any kill.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def number(*words: object) -> int:
    """A whole number in [0, 2^63) from the words.

    >>> number("crop", 0, "2007_000032")
    3303420599067428777
    """
    return int.from_bytes(sha256(" ".join(map(str, words)).encode()).digest()[:8], "big") >> 1


def fraction(*words: object) -> float:
    """A number in [0, 1) from the words."""
    return (number(*words) >> 10) / (1 << 53)


def generator(*words: object) -> torch.Generator:
    """A torch generator on the CPU, seeded from the words."""
    import torch

    return torch.Generator().manual_seed(number(*words))


def shuffled(items: int, *words: object) -> list[int]:
    """The numbers 0 .. items - 1 in an order that the words decide, ranked by SHA-256.

    >>> sorted(shuffled(5, "epoch", 0)) == [0, 1, 2, 3, 4]
    True
    """
    text = " ".join(map(str, words))
    return sorted(range(items), key=lambda item: sha256(f"{text} {item}".encode()).digest())


@contextmanager
def torch_seeded(device: torch.device, *words: object) -> Iterator[None]:
    """Inside, torch's own generators (dropout draws from them) are seeded from the words; outside, as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(number(*words))
        yield

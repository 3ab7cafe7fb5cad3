"""Random numbers that follow from a key alone: the same in any process, on any rank, after any kill.

A key is any number of values, which are joined as text; no global generator is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def number(*key: object) -> int:
    """An integer in [0, 2^63) from the key.

    >>> number("crop", 0, "2007_000032")
    3303420599067428777
    """
    return int.from_bytes(sha256(" ".join(map(str, key)).encode()).digest()[:8], "big") >> 1


def fraction(*key: object) -> float:
    """A number in [0, 1) from the key."""
    return (number(*key) >> 10) / (1 << 53)


def generator(*key: object) -> torch.Generator:
    """A torch generator on the CPU, seeded from the key."""
    import torch

    return torch.Generator().manual_seed(number(*key))


def shuffled(items: int, *key: object) -> list[int]:
    """The numbers 0 .. items - 1 in an order that follows from the key, ranked by SHA-256.

    >>> sorted(shuffled(5, "epoch", 0)) == [0, 1, 2, 3, 4]
    True
    """
    text = " ".join(map(str, key))
    return sorted(range(items), key=lambda item: sha256(f"{text} {item}".encode()).digest())


@contextmanager
def torch_seeded(device: torch.device, *key: object) -> Iterator[None]:
    """Inside, torch's own generators (dropout draws from them) are seeded from the key; outside, as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(number(*key))
        yield

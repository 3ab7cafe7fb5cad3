"""Random damage to a file's bytes, as disks, copies and editors do it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

VALUES: list[Any] = [None, True, False, 0, 1, -1, 0.5, -0.5, 255, 2**31, 2**62, 2**64, 10**30, 1e308, float("nan")]
VALUES += ["", "0", "..", "/", "a|b", "x" * 64, "0" * 64, "\u202e", "\ud800", [], {}, [0.1, 0.2], ["0"], [[]], {"": 0}]


def flip(data: bytearray, draw: random.Random) -> bytearray:
    """One to three bits."""
    for _ in range(draw.randint(1, 3)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def overwrite(data: bytearray, draw: random.Random) -> bytearray:
    """One to eight random bytes in place of others."""
    at = draw.randrange(len(data))
    size = min(draw.randint(1, 8), len(data) - at)
    data[at : at + size] = draw.randbytes(size)
    return data


def truncate(data: bytearray, draw: random.Random) -> bytearray:
    """The end is cut off, often near the end or the beginning."""
    return data[
        : draw.choice([draw.randrange(len(data)), max(0, len(data) - draw.randint(1, 16)), draw.randint(0, 16)])
    ]


def insert(data: bytearray, draw: random.Random) -> bytearray:
    """Random bytes in the middle or behind the end."""
    at = draw.choice([draw.randrange(len(data)), len(data)])
    return data[:at] + draw.randbytes(draw.randint(1, 64)) + data[at:]


def zeros(data: bytearray, draw: random.Random) -> bytearray:
    """A run of zeros, as a lost disk block leaves it."""
    at = draw.randrange(len(data))
    size = min(draw.choice([4, 64, 512]), len(data) - at)
    data[at : at + size] = bytes(size)
    return data


def swap(data: bytearray, draw: random.Random) -> bytearray:
    """Two blocks of equal size change places."""
    size = min(draw.choice([4, 32, 256]), len(data) // 2)
    if size == 0:
        return data
    first = draw.randrange(len(data) - 2 * size + 1)
    second = draw.randrange(first + size, len(data) - size + 1)
    one, other = data[first : first + size], data[second : second + size]
    data[first : first + size], data[second : second + size] = other, one
    return data


def repeat(data: bytearray, draw: random.Random) -> bytearray:
    """A block is doubled."""
    at = draw.randrange(len(data))
    block = data[at : at + draw.choice([1, 16, 256])]
    return data[:at] + block + data[at:]


BYTES: list[Callable[[bytearray, random.Random], bytearray]] = [flip, overwrite, truncate, insert, zeros, swap, repeat]


def edit_json(data: bytes, draw: random.Random) -> bytes:
    """Valid JSON in which one value is another, of another type, gone, doubled, or beside a key that is unknown."""
    whole = inside = json.loads(data)
    while True:
        places = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        place = draw.choice(places) if places else None
        inner = None if place is None else inside[place]
        if isinstance(inner, dict | list) and inner and draw.random() < 0.8:
            inside = inner
            continue
        what = draw.random()
        if place is None or what < 0.1:
            extra = draw.choice(VALUES)
            inside.update({"extra": extra}) if isinstance(inside, dict) else inside.append(extra)
        elif what < 0.3:
            del inside[place]
        elif what < 0.5 and isinstance(inner, int | float) and not isinstance(inner, bool):
            inside[place] = inner + draw.choice([1, -1, 0.001])
        elif what < 0.6 and isinstance(inner, str):
            inside[place] = inner + draw.choice(["x", " ", "0"])
        else:
            inside[place] = draw.choice(VALUES)
        return json.dumps(whole, indent=1).encode()


def mutated(data: bytes, draw: random.Random, *, is_json: bool) -> tuple[str, bytes]:
    """The name of a mutation, and the bytes after it."""
    if is_json and draw.random() < 0.5:
        return "edit_json", edit_json(data, draw)
    change = draw.choice(BYTES)
    return change.__name__, bytes(change(bytearray(data), draw))

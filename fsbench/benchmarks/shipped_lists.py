"""What the modules of shipped lists share: the packed files of ``fsbench.data``, and names that must be known."""

from __future__ import annotations

import lzma
from importlib import resources
from typing import TypeVar

from fsbench.errors import FsbenchError

Name = TypeVar("Name", bound=str)


def unpacked(file: str) -> bytes:
    """The content of ``fsbench/data/FILE``, an xz file."""
    return lzma.decompress(resources.files("fsbench.data").joinpath(file).read_bytes())


def known(benchmark: str, what: str, value: Name, choices: tuple[Name, ...]) -> Name:
    """``value`` itself; raises FsbenchError where it is none of ``choices``."""
    if value not in choices:
        raise FsbenchError(f"{benchmark} has no {what} {value!r}: choose one of {', '.join(choices)}")
    return value

"""What may lie where a file is expected: a pipe that nobody writes to, a device, a folder, gigabytes of nothing."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from fsbench.errors import FsbenchError

HUGE = 8 * 2**30


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def huge(path: Path) -> None:
    """Sparse: takes no room."""
    with path.open("wb") as file:
        file.truncate(HUGE)


KINDS = (pipe, device, folder, huge)


def check_refused(path: Path, read: Callable[[], object], named: Path | None = None) -> None:
    """Put each kind in the place of ``path``; ``read`` must end at once, with one line that names it (or ``named``)."""
    kept = path.with_name(f"{path.name}.kept")
    path.rename(kept)
    for put in KINDS:
        put(path)
        with within(30), pytest.raises(FsbenchError) as caught:
            read()
        said = str(caught.value)
        assert "\n" not in said
        assert str(named or path) in said, f"{put.__name__}: {said!r} does not name the file"
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    kept.rename(path)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail instead of hanging for ever."""

    def hang(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"hangs: nothing came in {seconds} seconds")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

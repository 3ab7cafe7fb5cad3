"""Special files in the place of an expected one: a pipe that nobody writes to, a device, a folder, 8 GiB of zeros."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest

from fsbench.errors import FsbenchError

HUGE = 8 * 2**30
MOST_MEMORY = 4 * 2**30


def pipe(path: Path, whole: bytes) -> None:
    os.mkfifo(path)


def device(path: Path, whole: bytes) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path, whole: bytes) -> None:
    path.mkdir()


def sparse(path: Path, whole: bytes) -> None:
    """The file itself, then a hole: takes no room."""
    path.write_bytes(whole)
    os.truncate(path, HUGE)


def huge(path: Path, whole: bytes) -> None:
    """A hole alone."""
    sparse(path, b"")


Put = Callable[[Path, bytes], None]
KINDS: tuple[Put, ...] = (pipe, device, folder, huge)


def check_refused(
    path: Path, read: Callable[[], object], named: Path | None = None, kinds: Sequence[Put] = KINDS
) -> None:
    """Put each kind in the place of ``path``; ``read`` must end at once, with one line that names it (or ``named``)."""
    whole = path.read_bytes()
    with TemporaryDirectory() as elsewhere:
        kept = path.rename(Path(elsewhere) / path.name)
        try:
            for put in kinds:
                put(path, whole)
                with within(30), pytest.raises(FsbenchError) as caught:
                    read()
                message = str(caught.value)
                assert "\n" not in message
                assert str(named or path) in message, f"{put.__name__}: {message!r} does not name the file"
                _remove(path)
        finally:
            _remove(path)
            kept.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail instead of hanging for ever or, on Linux, taking gigabytes."""

    def hang(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"hangs: nothing came in {seconds} seconds")

    before, limits = signal.signal(signal.SIGALRM, hang), resource.getrlimit(resource.RLIMIT_DATA)
    pages = Path("/proc/self/statm")
    if pages.exists():
        used = int(pages.read_text().split()[5]) * resource.getpagesize()  # data and stack, no mapped files
        resource.setrlimit(resource.RLIMIT_DATA, (used + MOST_MEMORY, limits[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        signal.signal(signal.SIGALRM, before)

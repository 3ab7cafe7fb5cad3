"""Unpacks one folder of an untrusted tar or zip archive.

Only regular files and folders are written, by this module itself: no archive library creates a link, a device or a
permission here (``tarfile``'s ``data`` filter still creates links). Names that lead outside are refused, as are links,
devices, sparse and encrypted files inside the wanted folder, and more bytes than stated. Memory is bounded too.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from fsbench.download.disk import bytes_progress, format_bytes, writing
from fsbench.errors import FsbenchError
from fsbench.io.untrusted import open_regular

ENTRY_BYTES = 512
"""Bytes counted for an entry besides its content, so that a million empty files are a bomb as well."""
MOST_READ = 32 << 20
"""Bytes read from a zip at once. ``zipfile`` reads the list of its entries whole; COCO's 82,783 take 9 MB."""
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
)
"""Raised by the libraries for damaged archives, and by the system for a name that is a file and a folder."""


@dataclass(frozen=True)
class _Entry:
    """``kind``: ``file``, ``folder``, or another in words; ``read_until``: bytes of the archive read so far."""

    name: str
    kind: str
    size: int
    read_until: int
    opened: Callable[[], AbstractContextManager[IO[bytes]]]


class _BombError(Exception):
    """An archive unpacks to more than it may."""


def unpack(archive: Path, kind: str, folder: str, into: Path, limit: int) -> None:
    """Unpack ``folder`` of ``archive`` (all of it for ``""``) to ``into / folder``.

    ``kind``: ``.zip``, ``.tar`` or ``.tgz``, whatever the file is called. ``into``: a new folder that nobody else uses.
    ``limit``: bytes it may unpack to. Raises FsbenchError for a broken, unsafe or too large one; a part may stay.
    """
    wanted = PurePosixPath(folder).parts
    entries = _zip_entries if kind == ".zip" else partial(_tar_entries, gzipped=kind == ".tgz")
    with writing(into):
        into.mkdir(parents=True, exist_ok=True)
        try:
            with bytes_progress(f"unpacking {archive.name}", archive.stat().st_size) as at:
                for entry in entries(archive, limit):
                    parts = _safe_parts(archive, entry.name)
                    if parts[: len(wanted)] == wanted:
                        _write(archive, entry, into.joinpath(*parts))
                    at(entry.read_until)
        except _BombError as error:
            raise FsbenchError(
                f"{archive}: unpacks to more than the {limit} bytes ({format_bytes(limit)}) that it may have: it is "
                "not the official archive; fetch it again"
            ) from error
        except BROKEN as error:
            raise FsbenchError(
                f"{archive}: is broken ({_short(str(error))}): remove it, then fetch it again"
            ) from error


def _safe_parts(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of an entry's name; raises FsbenchError if it could lead outside on any system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable():
        raise FsbenchError(
            f"{archive}: holds {_short(repr(name))}, a name that could lead outside its folder; nothing of it was put "
            "in place: it is not the official archive; fetch it again"
        )
    return path.parts


def _write(archive: Path, entry: _Entry, path: Path) -> None:
    if entry.kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        return
    if entry.kind != "file":
        raise FsbenchError(
            f"{archive}: {_short(repr(entry.name))} is {entry.kind}, expected files and folders only; nothing of it "
            "was put in place: it is not the official archive; fetch it again"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with entry.opened() as content, path.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
        if file.tell() != entry.size:
            raise EOFError(f"{entry.name} ends early")


class _Counted:
    """A stream that gives at most ``limit`` bytes: everything a tar holds, names and padding included."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _BombError
        return data


class _ZipBytes:
    """A zip file that refuses huge reads, as of a forged list of entries, and offsets outside of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, os.fstat(file.fileno()).st_size
        self.tell, self.seekable = file.tell, file.seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and not 0 <= offset <= self._size:
            raise zipfile.BadZipFile("it points outside itself")
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= MOST_READ else MOST_READ + 1)
        if len(data) > MOST_READ:
            raise _BombError
        return data


def _tar_entries(path: Path, limit: int, *, gzipped: bool) -> Iterator[_Entry]:
    with open_regular(path) as raw:
        plain: AbstractContextManager[IO[bytes]] = nullcontext(raw)
        if gzipped:
            plain = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        with plain as stream, tarfile.open(fileobj=_Counted(stream, limit), mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                opened = partial(_content, tar, member)
                yield _Entry(member.name, _tar_kind(member), member.size, raw.tell(), opened)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "asked for regular files only"
    return content


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "folder"
    if member.issym() or member.islnk():
        return "a link"
    if member.sparse is not None or not member.isreg():
        return "a sparse or special file"
    return "file"


def _zip_entries(path: Path, limit: int) -> Iterator[_Entry]:
    with open_regular(path) as raw, zipfile.ZipFile(_ZipBytes(raw)) as archive:
        members = archive.infolist()
        if sum(member.file_size + ENTRY_BYTES for member in members) > limit:
            raise _BombError
        read = 0
        for member in members:
            read += member.compress_size
            kind = _zip_kind(member)
            opened = partial(archive.open, member)
            yield _Entry(member.filename, kind, member.file_size, read, opened)


def _zip_kind(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link"
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "encrypted, or compressed in an unusual way"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a special file"
    return "folder" if member.filename.endswith("/") else "file"  # is_dir() of Python 3.11 fails for no name at all


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}…"

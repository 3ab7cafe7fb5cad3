"""Brings one archive to a folder, whole and verified, however often the connection or the process dies.

What has arrived lies in ``NAME.part``; beside it ``NAME.part.json`` says which version of the file it belongs to. Only
a file of the right size and checksum is renamed to ``NAME``.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from torchvision.datasets.utils import check_md5

from fsbench.download.disk import bytes_progress, spelled, writing
from fsbench.download.sources import Archive
from fsbench.download.web import InterruptedTransferError, Validator, changed, rest_of
from fsbench.errors import FsbenchError
from fsbench.files import write_text

Say = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """How long a server may be silent (seconds), and how often and how late it is asked again.

    A try that brought ``enough`` bytes starts the count of ``waits`` (seconds) anew.
    """

    timeout: float = 60
    waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    enough: int = 8 << 20


@dataclass(frozen=True)
class _Part:
    """The bytes that have arrived, and the version they belong to."""

    path: Path

    @property
    def state(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self) -> Validator | None:
        """The version; None where its file is missing or damaged, and the checksum alone will tell."""
        try:
            said = json.loads(self.state.read_text(encoding="utf-8"))
            values = [said.get(key) for key in ("url", "etag", "modified")]
        except (OSError, ValueError, AttributeError):
            return None
        if not isinstance(values[0], str) or not all(v is None or (isinstance(v, str) and _plain(v)) for v in values):
            return None
        return Validator(values[0], values[1], values[2])

    def remember(self, version: Validator) -> None:
        write_text(self.state, json.dumps(asdict(version)))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)


def missing_bytes(archive: Archive, folder: Path) -> int:
    """How many bytes of ``archive`` are still to be fetched into ``folder``."""
    if (folder / archive.name).exists():
        return 0
    return max(0, archive.size - _Part(folder / f"{archive.name}.part").size)


def fetch(archive: Archive, url: str, folder: Path, patience: Patience, say: Say) -> Path:
    """The verified archive in ``folder``, fetched from ``url`` unless it is there; goes on where it was left.

    Raises FsbenchError, with what has arrived kept for the next time, if the server cannot be reached or breaks off too
    often; and with nothing kept if the bytes are not those of the official file.
    """
    path = folder / archive.name
    if path.exists():
        fault = mismatch(path, archive)
        if fault:
            raise FsbenchError(f"{path}: {fault}: remove the file, then run the same command again")
        say(f"  {archive.name}: there already, checksum right")
        return path
    part = _Part(folder / f"{archive.name}.part")
    with writing(part.path):
        if part.size > archive.size:
            part.remove()
        _arrive(archive, url, part, patience, say)
        fault = mismatch(part.path, archive)
        if fault:
            part.remove()
            raise FsbenchError(
                f"{url}: what it sent is not the official file ({fault}) and was removed: run the same command again, "
                "with another --mirror or the official address if it stays so"
            )
        part.path.replace(path)
        part.state.unlink(missing_ok=True)
    say(f"  {archive.name}: {spelled(archive.size)}, checksum right")
    return path


def mismatch(path: Path, archive: Archive) -> str | None:
    """What tells the file at ``path`` from the official archive: its size or a checksum; None if nothing does."""
    size = path.stat().st_size
    if size != archive.size:
        return f"it has {size} bytes, the official file {archive.size}"
    digest = hashlib.sha256()
    with path.open("rb") as file, bytes_progress(f"checking {archive.name}", size) as at:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            at(file.tell())
    if digest.hexdigest() != archive.sha256:
        return f"its SHA-256 is {digest.hexdigest()}, that of the official file {archive.sha256}"
    if archive.md5 is not None and not check_md5(path, archive.md5):
        return f"its MD5 is not that of the official file, {archive.md5}"
    return None


def _arrive(archive: Archive, url: str, part: _Part, patience: Patience, say: Say) -> None:
    """Ask until all bytes are in ``part``."""
    if part.size:
        say(f"  {archive.name}: {spelled(part.size)} of {spelled(archive.size)} are there, going on")
    failures = 0
    with bytes_progress(archive.name, archive.size, part.size) as at:
        while part.size < archive.size:
            before = part.size
            try:
                _one_try(archive, url, part, patience, at, say)
            except InterruptedTransferError as why:
                failures = 1 if part.size - before >= patience.enough else failures + 1
                if failures > len(patience.waits):
                    raise FsbenchError(
                        f"{url}: {why}, {failures} times: {part.size} of {archive.size} bytes are there; run the same "
                        "command again to go on from there, or use --mirror"
                    ) from why
                wait = patience.waits[failures - 1]
                say(f"  {archive.name}: {why} at {part.size} of {archive.size} bytes, trying again in {wait:g} s")
                time.sleep(wait)


def _one_try(archive: Archive, url: str, part: _Part, patience: Patience, at: Callable[[int], None], say: Say) -> None:
    start, known = part.size, part.known()
    with rest_of(url, archive.size, start, known, patience.timeout) as rest:
        if changed(known, rest):
            say(f"  {archive.name}: the server's file has changed, starting anew")
            part.remove()
            return
        if start and not rest.start:
            say(f"  {archive.name}: the server does not go on from there, or its file has changed: starting anew")
        done = rest.start
        if not done:
            part.remove()
        part.remember(rest.validator)
        with part.path.open("ab") as file:
            while chunk := rest.read():
                done += len(chunk)
                if done > archive.size:
                    raise FsbenchError(f"{url}: sends more than the {archive.size} bytes of the official file")
                file.write(chunk)
                file.flush()
                at(done)
            os.fsync(file.fileno())
    if done < archive.size:
        raise InterruptedTransferError("the connection ended early")


def _plain(text: str) -> bool:
    """Whether the text can stand in a header: a state file could have been tampered with or damaged."""
    return text.isascii() and text.isprintable() and len(text) < 1000

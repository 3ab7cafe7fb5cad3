"""Brings one archive to a folder, whole and verified, however often a host, the connection or the process fails.

What has arrived lies in ``NAME.part``; beside it ``NAME.part.json`` says which version of which host's file it belongs
to. The next host goes on from there, since all have the same bytes. Only a file of the right size and checksums is
renamed to ``NAME``: if what several hosts or runs sent does not make it, it is fetched anew from one host.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fsbench.download.digests import mismatch
from fsbench.download.disk import bytes_progress, format_bytes, writing
from fsbench.download.sources import Archive
from fsbench.download.web import HostError, InterruptedTransferError, Validator, changed, rest_of
from fsbench.errors import FsbenchError
from fsbench.io.files import write_text
from fsbench.io.untrusted import read_bytes

Say = Callable[[str], None]

LARGEST_STATE = 2**16
"""Bytes of the file that says which version a part is of."""


@dataclass(frozen=True)
class Patience:
    """How long a host may be silent (seconds), and how often and how late it is asked again.

    A host that has sent nothing yet is left at once for the next one, if there is one. A try that brought ``enough``
    new bytes starts the count of ``waits`` (seconds) anew.
    """

    timeout: float = 60
    waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    enough: int = 8 << 20


@dataclass
class _Part:
    """The bytes that have arrived, and the version they belong to.

    ``joined``: whether some of them came from another host or an earlier run than those that come now.
    """

    path: Path
    joined: bool = False

    @property
    def state(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self) -> Validator | None:
        """The version; None where its file is missing or damaged, and the checksum alone will tell."""
        try:
            said = json.loads(read_bytes(self.state, LARGEST_STATE))
            values = [said.get(key) for key in ("url", "etag", "modified")]
        except (OSError, ValueError, AttributeError, RecursionError, FsbenchError):
            return None
        if not isinstance(values[0], str) or not all(v is None or (isinstance(v, str) and _plain(v)) for v in values):
            return None
        return Validator(values[0], values[1], values[2])

    def remember(self, version: Validator) -> None:
        write_text(self.state, json.dumps(asdict(version)))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)
        self.joined = False


def missing_bytes(archive: Archive, folder: Path) -> int:
    """How many bytes of ``archive`` are still to be fetched into ``folder``."""
    if (folder / archive.name).exists():
        return 0
    return max(0, archive.size - _Part(folder / f"{archive.name}.part").size)


def fetch(archive: Archive, urls: Sequence[str], folder: Path, patience: Patience, say: Say) -> Path:
    """The verified archive in ``folder``, fetched from the first of ``urls`` that gives it, unless it is there.

    ``say`` gets a line for each host that is left for the next. Raises FsbenchError, naming every host and what it did,
    if none gave the official file; what has arrived is kept for the next time unless it is known to be wrong.
    """
    path = folder / archive.name
    if path.exists():
        with writing(path):
            fault = mismatch(path, archive)
        if fault:
            raise FsbenchError(f"{path}: {fault}: remove the file, then run the same command again")
        say(f"  {archive.name}: there already, checksum right")
        return path
    part = _Part(folder / f"{archive.name}.part")
    failures: list[str] = []
    with writing(part.path):
        for url, following in zip(urls, [*urls[1:], None], strict=True):
            why = _from_host(archive, url, part, patience, patience.waits if following is None else (), say)
            if why is None:
                break
            failures.append(f"{url} ({why})")
            if following is not None:
                say(f"  {archive.name}: {_host(url)}: {why}; trying {_host(following)}")
        else:
            kept = f"{part.size} of {archive.size} bytes are kept, run the same command again to go on; or "
            raise FsbenchError(
                f"{archive.name}: not downloaded; tried {', '.join(failures)}: {kept if part.size else ''}"
                "name another host with --mirror URL, or fetch the file by hand and give it with --archive FILE"
            )
        part.state.unlink(missing_ok=True)
        part.path.replace(path)
    say(f"  {archive.name}: {format_bytes(archive.size)}, checksum right")
    return path


def _from_host(
    archive: Archive, url: str, part: _Part, patience: Patience, cold_waits: tuple[float, ...], say: Say
) -> str | None:
    """Why ``url`` did not bring the official file; None once ``part`` is that file.

    ``cold_waits``: in place of ``patience.waits`` until the host has sent its first byte.
    """
    while True:
        if part.size > archive.size:
            part.remove()
        part.joined = part.size > 0
        try:
            _arrive(archive, url, part, patience, cold_waits, say)
        except (HostError, InterruptedTransferError) as why:
            return str(why)
        fault = mismatch(part.path, archive)
        if fault is None:
            return None
        joined = part.joined
        part.remove()
        if not joined:
            return f"what it sent is not the official file: {fault}"
        say(f"  {archive.name}: with the bytes of an earlier run or host it is not the official file, starting anew")


def _arrive(
    archive: Archive, url: str, part: _Part, patience: Patience, cold_waits: tuple[float, ...], say: Say
) -> None:
    """Ask until all bytes are in ``part``; raises HostError, and InterruptedTransferError once patience is over."""
    if part.size:
        say(f"  {archive.name}: {format_bytes(part.size)} of {format_bytes(archive.size)} are there, going on")
    failures, waits, most = 0, cold_waits, part.size
    with bytes_progress(archive.name, archive.size, part.size) as at:
        while part.size < archive.size:
            before = part.size
            try:
                _one_try(archive, url, part, patience, at, say)
            except InterruptedTransferError as why:
                waits = waits if part.size == before else patience.waits
                failures = 1 if part.size - most >= patience.enough else failures + 1
                most = max(most, part.size)
                if failures > len(waits):
                    times = f", {failures} times" if failures > 1 else ""
                    raise InterruptedTransferError(f"{why}{times}") from why
                wait = waits[failures - 1]
                say(f"  {archive.name}: {why} at {part.size} of {archive.size} bytes, trying again in {wait:g} s")
                time.sleep(wait)


def _one_try(archive: Archive, url: str, part: _Part, patience: Patience, at: Callable[[int], None], say: Say) -> None:
    start, known = part.size, part.known()
    with rest_of(url, archive.size, start, known, patience.timeout) as rest:
        if changed(known, rest):
            part.remove()
            raise InterruptedTransferError("its file has changed, starting anew")
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
                    raise HostError(f"it sends more than the {archive.size} bytes of the official file")
                file.write(chunk)
                file.flush()
                at(done)
            os.fsync(file.fileno())
    if done < archive.size:
        raise InterruptedTransferError("the connection ended early")


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _plain(text: str) -> bool:
    """Whether the text can stand in a header: a state file could have been tampered with or damaged."""
    return text.isascii() and text.isprintable() and len(text) < 1000

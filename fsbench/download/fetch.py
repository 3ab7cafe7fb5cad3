"""Fetches one archive, verified, however often a host, the connection or the process fails.

The bytes so far are in ``NAME.part``, and the version of the host's file they belong to in ``NAME.part.json``. The next
host resumes from there. Only a file of the right size and checksums is renamed to ``NAME``: if the bytes of several
hosts or runs are not that file, it is fetched anew from one host.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fsbench.download.disk import bytes_progress, format_bytes, writing
from fsbench.download.official import mismatch
from fsbench.download.sources import Archive
from fsbench.download.web import HostError, InterruptedTransferError, Validator, changed, open_rest
from fsbench.errors import FsbenchError
from fsbench.io.files import write_text
from fsbench.io.untrusted import read_bytes

Say = Callable[[str], None]

LARGEST_STATE = 2**16
"""Bytes of ``NAME.part.json``."""


@dataclass(frozen=True)
class Patience:
    """How long a host may be silent, and the ``waits`` before it is asked again (seconds).

    A host that has sent nothing yet is given up at once if there is another one. A try that brought ``enough`` new
    bytes starts the count of ``waits`` anew.
    """

    timeout: float = 60
    waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    enough: int = 8 << 20


@dataclass
class _Part:
    """The bytes so far; ``mixed``: whether some came from another host or an earlier run."""

    path: Path
    mixed: bool = False

    @property
    def state(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> Validator | None:
        """The version of the host's file; None if its file is missing or damaged, so that the checksum decides."""
        try:
            state = json.loads(read_bytes(self.state, LARGEST_STATE))
            values = [state.get(key) for key in ("url", "etag", "modified")]
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
        self.mixed = False


def missing_bytes(archive: Archive, folder: Path) -> int:
    """Bytes of ``archive`` that are still to be fetched into ``folder``."""
    if (folder / archive.name).exists():
        return 0
    return max(0, archive.size - _Part(folder / f"{archive.name}.part").size)


def fetch(archive: Archive, urls: Sequence[str], folder: Path, patience: Patience, say: Say) -> Path:
    """The verified archive in ``folder``, fetched from the first of ``urls`` that has it, unless it exists.

    ``say`` prints a line for each host that is given up. Raises FsbenchError, naming every host and its fault, if none
    has the official file; the part is kept for the next time unless it is known to be wrong.
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
            why = _Host(archive, url, part, patience, say).failure(patience.waits if following is None else ())
            if why is None:
                break
            failures.append(f"{url} ({why})")
            if following is not None:
                say(f"  {archive.name}: {urlsplit(url).netloc}: {why}; trying {urlsplit(following).netloc}")
        else:
            kept = f"{part.size} of {archive.size} bytes are kept, run the same command again to resume; or "
            raise FsbenchError(
                f"{archive.name}: not downloaded; tried {', '.join(failures)}: {kept if part.size else ''}"
                "name another host with --mirror URL, or fetch the file by hand and give it with --archive FILE"
            )
        part.state.unlink(missing_ok=True)
        part.path.replace(path)
    say(f"  {archive.name}: {format_bytes(archive.size)}, checksum right")
    return path


@dataclass(frozen=True)
class _Host:
    """Fetches ``archive`` from ``url`` into ``part``."""

    archive: Archive
    url: str
    part: _Part
    patience: Patience
    say: Say

    def failure(self, first_waits: tuple[float, ...]) -> str | None:
        """Why the host did not give the official file; None once ``part`` is that file.

        ``first_waits``: in place of ``patience.waits`` until the host has sent its first byte.
        """
        while True:
            if self.part.size > self.archive.size:
                self.part.remove()
            self.part.mixed = self.part.size > 0
            try:
                self._complete(first_waits)
            except (HostError, InterruptedTransferError) as why:
                return str(why)
            fault = mismatch(self.part.path, self.archive)
            if fault is None:
                return None
            mixed = self.part.mixed
            self.part.remove()
            if not mixed:
                return f"what it sent is not the official file: {fault}"
            self._print("with the bytes of an earlier run or host it is not the official file, starting anew")

    def _print(self, line: str) -> None:
        self.say(f"  {self.archive.name}: {line}")

    def _complete(self, waits: tuple[float, ...]) -> None:
        """Ask until ``part`` has all bytes; raises HostError, and InterruptedTransferError once patience is over."""
        size, part = self.archive.size, self.part
        if part.size:
            self._print(f"{format_bytes(part.size)} of {format_bytes(size)} are there, resuming")
        failures, most = 0, part.size
        with bytes_progress(self.archive.name, size, part.size) as at:
            while part.size < size:
                before = part.size
                try:
                    self._ask(at)
                except InterruptedTransferError as why:
                    waits = waits if part.size == before else self.patience.waits
                    failures = 1 if part.size - most >= self.patience.enough else failures + 1
                    most = max(most, part.size)
                    if failures > len(waits):
                        times = f", {failures} times" if failures > 1 else ""
                        raise InterruptedTransferError(f"{why}{times}") from why
                    wait = waits[failures - 1]
                    self._print(f"{why} at {part.size} of {size} bytes, trying again in {wait:g} s")
                    time.sleep(wait)

    def _ask(self, at: Callable[[int], None]) -> None:
        """One request for the missing bytes; raises as ``_complete``."""
        size, part = self.archive.size, self.part
        start, known = part.size, part.version()
        with open_rest(self.url, size, start, known, self.patience.timeout) as rest:
            if changed(known, rest):
                part.remove()
                raise InterruptedTransferError("its file has changed, starting anew")
            if start and not rest.start:
                self._print("the server cannot resume, or its file has changed: starting anew")
            done = rest.start
            if not done:
                part.remove()
            part.remember(rest.validator)
            with part.path.open("ab") as file:
                while chunk := rest.read():
                    done += len(chunk)
                    if done > size:
                        raise HostError(f"it sends more than the {size} bytes of the official file")
                    file.write(chunk)
                    file.flush()
                    at(done)
                os.fsync(file.fileno())
        if done < size:
            raise InterruptedTransferError("the connection ended early")


def _plain(text: str) -> bool:
    """Whether the text may be sent in a header: a state file could be damaged or tampered with."""
    return text.isascii() and text.isprintable() and len(text) < 1000

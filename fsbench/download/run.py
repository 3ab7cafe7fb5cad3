"""One download from the terms to the folders that ``fsbench build`` takes.

Archives lie in ``ROOT/.downloads``. Each is unpacked to a folder beside it and moved into place by one rename, so what
stands under a final name is whole; a run that was killed anywhere is gone on with by the same command.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fsbench.download.disk import check_room, spelled, writing
from fsbench.download.fetch import Patience, Say, fetch, missing_bytes
from fsbench.download.sources import Archive, Source
from fsbench.download.unpack import unpack
from fsbench.download.web import check_url
from fsbench.errors import FsbenchError

WORK = ".downloads"


def download(
    source: Source, root: Path, *, say: Say, mirror: str | None = None, patience: Patience | None = None
) -> None:
    """Fetch, verify and unpack what ``root`` lacks of ``source``; ``say`` is given every line for the user.

    ``mirror``: the address of a folder that has the same files. Raises FsbenchError where the disk is too small, a
    server or archive cannot be used, or a folder of that name holds something else; what has arrived stays.
    """
    addresses = {archive: _address(archive, mirror) for archive in source.archives}
    for line in announcement(source, addresses):
        say(line)
    work = root / WORK
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
    with _alone(root, work):
        _all(source.archives, addresses, root, work, patience or Patience(), say)
    say(f"the archives stay in {work}: remove it when you do not need them")
    for line in source.next:
        say(line.replace("{root}", shlex.quote(str(root))))


def announcement(source: Source, addresses: dict[Archive, str]) -> list[str]:
    """What a user reads before anything is fetched: title, terms, addresses, sizes."""
    files = [f"  {spelled(archive.size)}  {address}" for archive, address in addresses.items()]
    room = sum(archive.size + archive.unpacked for archive in addresses)
    return [
        source.title,
        f"  terms ({source.page}):",
        *(f"    {line}" for line in source.terms),
        *files,
        f"  archives and unpacked files together take up to {spelled(room)}",
    ]


def in_place(archive: Archive, root: Path) -> bool:
    """Whether the archive's folder stands in ``root``; raises FsbenchError if it is there and holds something else."""
    folder = root / archive.folder
    if not folder.exists() and not folder.is_symlink():
        return False
    missing = [name for name in archive.holds if not (folder / name).exists()]
    if missing or not folder.is_dir():
        raise FsbenchError(
            f"{folder}: is there, but holds no {missing[0] if missing else 'files'}, so it does not come from "
            f"{archive.name}: move it away, or choose another --root"
        )
    return True


@contextmanager
def _alone(root: Path, work: Path) -> Iterator[None]:
    """Hold the lock of ``work``: two downloads would write into the same files."""
    lock = FileLock(work / "lock")
    with writing(work):
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise FsbenchError(
                f"{root}: another download works here: wait for its end, or choose another --root"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _address(archive: Archive, mirror: str | None) -> str:
    return archive.url if mirror is None else f"{check_url(mirror, '--mirror')}/{archive.name}"


def _all(
    archives: Sequence[Archive], addresses: dict[Archive, str], root: Path, work: Path, patience: Patience, say: Say
) -> None:
    missing = []
    for archive in archives:
        if in_place(archive, root):
            say(f"  {root / archive.folder}: there already, taken as it is")
        else:
            missing.append(archive)
    with writing(work):
        for archive in missing:
            _clear(_staging(archive, work))
        needed = sum(missing_bytes(archive, work) + archive.unpacked for archive in missing)
    check_room(root, needed)
    for archive in missing:
        _place(archive, fetch(archive, addresses[archive], work, patience, say), root, work)
        say(f"  {root / archive.folder}: unpacked")


def _place(archive: Archive, path: Path, root: Path, work: Path) -> None:
    """Unpack a verified archive and move its folder to its final name."""
    staging = _staging(archive, work)
    unpack(path, archive.folder, staging, archive.unpacked)
    made = staging / archive.folder
    missing = [name for name in ("", *archive.holds) if not (made / name).exists()]
    if missing:
        raise FsbenchError(
            f"{path}: holds no {archive.folder}/{missing[0]}: it is not the official archive; remove it and download "
            "it again"
        )
    final = root / archive.folder
    with writing(final):
        if hasattr(os, "sync"):
            os.sync()  # so that a power cut cannot leave empty files behind a finished rename
        final.parent.mkdir(parents=True, exist_ok=True)
        made.replace(final)
        _clear(staging)


def _staging(archive: Archive, work: Path) -> Path:
    return work / f"{archive.name}.unpacking"


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)

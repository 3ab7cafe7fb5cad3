"""One download from the terms to the folders that ``fsbench build`` takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from fsbench.download.disk import check_room, format_bytes, writing
from fsbench.download.fetch import Patience, Say, fetch, missing_bytes
from fsbench.download.official import check_official, identified
from fsbench.download.place import empty_staging, move_into_place, work_folder
from fsbench.download.sources import Archive, Source
from fsbench.download.unpack import unpack
from fsbench.download.web import check_url
from fsbench.errors import FsbenchError


def download(
    source: Source,
    root: Path,
    *,
    say: Say,
    mirror: str | None = None,
    by_hand: Sequence[Path] = (),
    patience: Patience | None = None,
) -> None:
    """Fetch, verify and unpack what ``root`` lacks of ``source``; ``say`` prints every line for the user.

    ``mirror``: the address of a folder with the same files, the only host then. ``by_hand``: archives that need not be
    fetched. Raises FsbenchError if the disk is too small, no host or archive can be used, or a folder of that name
    holds something else; parts of archives are kept.
    """
    files = identified(by_hand, source.archives)
    urls = {
        archive: archive.urls if mirror is None else (f"{check_url(mirror, '--mirror')}/{archive.name}",)
        for archive in source.archives
        if archive not in files
    }
    if mirror is not None and not urls:
        raise FsbenchError(
            f"--mirror {mirror}: every archive is given with --archive, nothing is fetched: leave one out"
        )
    for line in announcement(source, urls, files):
        say(line)
    with work_folder(root) as work:
        missing = []
        for archive in source.archives:
            if _in_place(archive, root):
                say(f"  {root / archive.folder}: there already, taken as it is")
            else:
                missing.append(archive)
        with writing(work):
            fetched = sum(missing_bytes(archive, work) for archive in missing if archive in urls)
        check_room(root, fetched + sum(archive.unpacked for archive in missing))
        for archive in missing:
            if archive in files:
                check_official(files[archive], archive)
                say(f"  {archive.name}: {files[archive]}, checksum right")
        for archive in missing:
            path = files.get(archive) or fetch(archive, urls[archive], work, patience or Patience(), say)
            _place(archive, path, root, work)
            say(f"  {root / archive.folder}: unpacked")
    if urls:
        say(f"the archives stay in {work}: remove it when you do not need them")
    for line in source.next:
        say(line.replace("{root}", shlex.quote(str(root))))


def announcement(source: Source, urls: Mapping[Archive, Sequence[str]], files: Mapping[Archive, Path]) -> list[str]:
    """The lines printed before anything is fetched: title, terms, addresses, sizes."""
    lines = [source.title, f"  terms ({source.page}):", *(f"    {line}" for line in source.terms)]
    for archive in source.archives:
        if archive in files:
            lines.append(f"  {format_bytes(archive.size)}  {files[archive]}")
            continue
        lines.append(f"  {format_bytes(archive.size)}  {urls[archive][0]}")
        if others := [urlsplit(url).netloc for url in urls[archive][1:]]:
            lines.append(f"    or, if that fails, from {', '.join(others)}")
    room = sum(archive.size for archive in urls) + sum(archive.unpacked for archive in source.archives)
    return [*lines, f"  archives and unpacked files together take up to {format_bytes(room)}"]


def _in_place(archive: Archive, root: Path) -> bool:
    """Whether the archive's folder is in ``root``; raises FsbenchError if it holds something else."""
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


def _place(archive: Archive, path: Path, root: Path, work: Path) -> None:
    """Unpack a verified archive and move its folder to its final name."""
    staging = empty_staging(archive.name, work)
    unpack(path, PurePosixPath(archive.name).suffix, archive.folder, staging, archive.unpacked)
    unpacked = staging / archive.folder
    missing = [name for name in ("", *archive.holds) if not (unpacked / name).exists()]
    if missing:
        raise FsbenchError(
            f"{path}: holds no {archive.folder}/{missing[0]}: it is not the official archive; fetch it again"
        )
    move_into_place(unpacked, root / archive.folder)
    empty_staging(archive.name, work)

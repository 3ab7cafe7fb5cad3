"""FSS-1000 from an archive fetched by hand: it is on a file share for browsers.

The release has no published checksum. The one below was recorded by a single public project and not checked by us, so
an archive with another one is accepted: ``fsbench build fss-1000`` reads every file of it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

from fsbench.benchmarks.fss.lists import all_keys
from fsbench.download.disk import check_room, writing
from fsbench.download.fetch import Say
from fsbench.download.official import REMEDY, digests, regular_size
from fsbench.download.place import empty_staging, move_into_place, work_folder
from fsbench.download.unpack import unpack
from fsbench.errors import FsbenchError
from fsbench.io.untrusted import reading

NAME = "fewshot_data.zip"
FOLDER = "fewshot_data"
RECORDED_SHA256 = "4e49282322891eae4511153f1b63f6274042702ecd2b6da4bff949e106ac20e0"
MOST_BYTES = 4_000_000_000
"""Bytes the archive may unpack to: 10,000 photographs of 224 x 224 and their masks take a fraction of it."""

STEPS = f"""\
FSS-1000 (Li et al., CVPR 2020) is on a file share for browsers: no program can fetch it reliably.
  terms: its readme names no licence and asks that the paper be cited (arXiv:1907.12347)
  1. Open https://github.com/HKUSTCV/FSS-1000, follow "Google drive: download here", and save {NAME}.
     (The link there: https://drive.google.com/open?id=16TgqOeI_0P41Eh3jWQlxlRXG9KIqtMgI)
  2. This unpacks it to {FOLDER} in the root, and tells whether its checksum is the one that a public project recorded:
     fsbench download fss1000 --archive {NAME} --root {{root}}
  3. This reads every file, checks it, and lists what is wrong:
     fsbench build fss-1000 --root {{root}}/{FOLDER}"""
"""The steps by hand, for the folder ``{root}``."""


def unpack_release(archive: Path, root: Path, say: Say) -> None:
    """Unpack ``archive`` to ``root / FOLDER`` atomically; ``say`` prints every line for the user.

    The folder that holds the class folders gets that name, however deep it is in the archive. Raises FsbenchError if
    the archive is not a regular file, broken, unsafe, too large, or has no class of FSS-1000, and if the folder exists
    with something else.
    """
    size = regular_size(archive)
    say("FSS-1000: its readme names no licence and asks that the paper be cited (arXiv:1907.12347)")
    final = root / FOLDER
    with work_folder(root) as work:
        if final.exists() or final.is_symlink():
            found = _class_folders(final)
            if found is None:
                raise FsbenchError(
                    f"{final}: is there, but holds no class folder of FSS-1000: move it away, or choose another --root"
                )
            final, _ = found
            say(f"  {final}: there already, taken as it is")
        else:
            staging = empty_staging(NAME, work)
            check_room(root, size)
            say(_checksum(archive))
            unpack(archive, ".zip", "", staging, MOST_BYTES)
            found = _class_folders(staging)
            if found is None:
                raise FsbenchError(
                    f"{archive}: holds no class folder of FSS-1000, such as {all_keys()[0]}: "
                    f"give {NAME} as it was fetched"
                )
            unpacked, classes = found
            move_into_place(unpacked, final)
            empty_staging(NAME, work)
            say(f"  {final}: unpacked, {classes} of the {len(all_keys())} class folders")
    say(f"next: fsbench build fss-1000 --root {shlex.quote(str(final))}")


def _checksum(archive: Path) -> str:
    """A line with the archive's SHA-256 and whether it is the recorded one."""
    with reading(archive, REMEDY):
        sha256, _ = digests(archive)
    if sha256 == RECORDED_SHA256:
        return f"  {archive}: SHA-256 {sha256}, as a public project recorded it (not checked by us)"
    return (
        f"  {archive}: SHA-256 {sha256}; a public project recorded {RECORDED_SHA256}: taken all the same, "
        "fsbench build fss-1000 checks every file"
    )


def _class_folders(tree: Path) -> tuple[Path, int] | None:
    """The folder in ``tree`` that holds most of the 1000 class folders, and how many; None without any."""
    classes = set(all_keys())
    with writing(tree):
        holders = Counter(
            path.parent
            for path in tree.rglob("*")
            if path.name in classes and "__MACOSX" not in path.parts and path.is_dir()
        )
    return max(holders.items(), key=lambda item: item[1]) if holders else None

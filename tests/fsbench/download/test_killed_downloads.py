"""Downloads killed before a file operation: the same command then ends with the same bytes."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import pytest

from fsbench.download.sources import Source
from tests.fsbench.download.download_server import Server, archive_of, packed, serving
from tests.fss_as_released import write_release
from tests.kills import EVERY, check_kills

FILES = {
    "first.tar": packed("first.tar", {"one/a.txt": b"first", "one/deep/b.bin": bytes(9), "aside": b"left out"}),
    "second.zip": packed("second.zip", {"two/c.bin": bytes(99)}),
}


def serve_two(url: str) -> None:
    """Let ``fsbench download voc`` fetch two small archives from ``url``."""
    from fsbench.download import sources

    server = Server(url)
    archives = tuple(
        archive_of(server, name, data, folder=folder)
        for (name, data), folder in zip(FILES.items(), ("one", "two"), strict=True)
    )
    source = Source("Two things", "https://things.example", ("be kind",), archives, ("next: {root}/one",))
    sources.sources = lambda: {"voc": source}  # type: ignore[assignment]


@pytest.mark.parametrize("every", EVERY)
def test_over_the_network(every: bool, tmp_path: Path) -> None:
    with serving(FILES) as server:
        whole = check_kills(
            [("download", "voc", "--root", "{}")], tmp_path, every, patch=partial(serve_two, server.url), kills=4
        )
    assert sorted(whole) == [
        *(".downloads/first.tar", ".downloads/lock", ".downloads/second.zip"),
        *("one/a.txt", "one/deep/b.bin", "two/c.bin"),
    ]


@pytest.mark.parametrize("every", EVERY)
def test_an_archive_by_hand(every: bool, tmp_path: Path) -> None:
    archive = tmp_path / "fewshot_data.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        for path in sorted(write_release(tmp_path / "raw", ("screw",)).rglob("*.*")):
            writer.write(path, f"fewshot_data/{path.relative_to(tmp_path / 'raw')}")
    check_kills([("download", "fss-1000", "--archive", archive, "--root", "{}")], tmp_path / "tries", every)

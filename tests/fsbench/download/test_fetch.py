"""Fetching from one host: whatever the server and the connection do, the file is the official one or not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbench.download.fetch import Patience, fetch, missing_bytes
from fsbench.download.sources import Archive
from fsbench.errors import FsbenchError
from tests.fsbench.download.download_server import QUICK, How, Server, archive_of, noise, serving
from tests.refusals import refusal

DATA = noise(100_000)
NAME = "thing.tar"
IMPATIENT = replace(QUICK, waits=())


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({NAME: DATA}) as running:
        yield running


def archive_at(*hosts: Server) -> Archive:
    return replace(archive_of(hosts[0], NAME, DATA), urls=tuple(f"{host.url}/{NAME}" for host in hosts))


def get(folder: Path, *hosts: Server, patience: Patience = QUICK, archive: Archive | None = None) -> list[str]:
    """Fetch, check the file and that no other is left, and return what was printed."""
    lines: list[str] = []
    archive = archive or archive_at(*hosts)
    path = fetch(archive, archive.urls, folder, patience, lines.append)
    assert path == folder / NAME
    assert [file.name for file in folder.iterdir()] == [NAME]
    assert path.read_bytes() == DATA
    assert not any("\n" in line for line in lines)
    return lines


def refused(folder: Path, *hosts: Server, patience: Patience = QUICK, archive: Archive | None = None) -> str:
    """The message of a fetch that must fail; nothing may be left under the final name."""
    message = refusal(get, folder, *hosts, patience=patience, archive=archive)
    assert not (folder / NAME).exists()
    return message


def part(folder: Path) -> bytes:
    path = folder / f"{NAME}.part"
    return path.read_bytes() if path.exists() else b""


def put_part(folder: Path, data: bytes) -> None:
    (folder / f"{NAME}.part").write_bytes(data)


def test_a_good_server_is_asked_once(server: Server, tmp_path: Path) -> None:
    assert get(tmp_path, server) == ["  thing.tar: 100.0 kB, checksum right"]
    assert missing_bytes(archive_at(server), tmp_path) == 0
    assert get(tmp_path, server) == ["  thing.tar: there already, checksum right"]
    assert server.ranges() == [None]


def test_a_cut_connection_resumes(server: Server, tmp_path: Path) -> None:
    server.script = [How(cut=30_000), How(cut=20_000)]
    lines = get(tmp_path, server)
    assert server.ranges() == [None, "bytes=30000-", "bytes=50000-"]
    assert [headers.get("if-range") for _, headers in server.asked] == [None, '"one"', '"one"']
    assert lines[0] == "  thing.tar: the connection ended early at 30000 of 100000 bytes, trying again in 0 s"


def test_a_server_that_breaks_off_too_often_leaves_a_part(server: Server, tmp_path: Path) -> None:
    server.always = How(cut=10_000)
    message = refused(tmp_path, server)
    assert f"tried {server.url}/{NAME} (the connection ended early, 3 times): 30000 of 100000 bytes are kept" in message
    assert "run the same command again to resume; or name another host with --mirror URL" in message
    assert part(tmp_path) == DATA[:30_000]
    assert missing_bytes(archive_at(server), tmp_path) == 70_000
    server.always = How()
    assert get(tmp_path, server)[0] == "  thing.tar: 30.0 kB of 100.0 kB are there, resuming"
    assert server.ranges()[-1] == "bytes=30000-"


def test_tries_that_bring_enough_do_not_count(server: Server, tmp_path: Path) -> None:
    server.always = How(cut=20_000)
    get(tmp_path, server, patience=replace(QUICK, enough=20_000))
    assert len(server.asked) == 5


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 40_000), st.booleans()), max_size=6))
def test_any_cuts_end_with_the_same_bytes(
    server: Server, tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, bool]]
) -> None:
    server.asked.clear()
    server.script = [How(cut=cut, resumes=resumes) for cut, resumes in cuts]
    get(tmp_path_factory.mktemp("cuts"), server, patience=replace(QUICK, waits=(0.0,) * 13))
    assert len(server.asked) <= len(cuts) + 1
    at = 0
    for number, asked in enumerate(server.ranges()):
        assert asked == (f"bytes={at}-" if at else None)
        if number < len(cuts):
            cut, resumes = cuts[number]
            at = (at if resumes else 0) + cut


MAY_11, MAY_12 = "Fri, 11 May 2012 10:00:00 GMT", "Sat, 12 May 2012 10:00:00 GMT"


@pytest.mark.parametrize("heeds", [True, False], ids=["if-range heeded", "if-range ignored"])
@pytest.mark.parametrize(
    ("old", "new", "sent"),
    [
        (How(etag='"old"'), How(etag='"new"'), '"old"'),
        (How(etag=None, modified=MAY_11), How(etag=None, modified=MAY_12), MAY_11),
        (How(etag='W/"old"', modified=MAY_11), How(etag='W/"new"'), MAY_11),
    ],
    ids=["etag", "date", "weak"],
)
def test_a_changed_file_starts_anew(server: Server, tmp_path: Path, old: How, new: How, sent: str, heeds: bool) -> None:
    server.files[f"/{NAME}"] = bytes(len(DATA))
    server.always = replace(old, cut=10_000)
    refused(tmp_path, server, patience=IMPATIENT)
    server.files[f"/{NAME}"], server.always = DATA, replace(new, heeds_if_range=heeds)
    assert any("starting anew" in line for line in get(tmp_path, server))
    assert server.asked[1][1]["if-range"] == sent


@pytest.mark.parametrize(
    "state", [None, b"", b"[1]", b'{"url": 3}', b'{"url": "x", "etag": "a\\r\\nHost: b"}', b"\xff"]
)
def test_a_lost_or_damaged_state_does_no_harm(server: Server, tmp_path: Path, state: bytes | None) -> None:
    put_part(tmp_path, DATA[:60_000])
    if state is not None:
        (tmp_path / f"{NAME}.part.json").write_bytes(state)
    get(tmp_path, server)
    assert server.ranges() == ["bytes=60000-"]
    assert "if-range" not in server.asked[0][1]


@pytest.mark.parametrize(
    ("there", "ranges"),
    [
        (DATA, []),
        (DATA + b"!", [None]),
        (bytes(len(DATA)), [None]),
        (bytes(1000), ["bytes=1000-", None]),
    ],
    ids=["whole", "too long", "wrong", "damaged"],
)
def test_a_part_is_verified_at_the_end(server: Server, tmp_path: Path, there: bytes, ranges: list[str | None]) -> None:
    put_part(tmp_path, there)
    lines = get(tmp_path, server)
    assert server.ranges() == ranges
    mixed = "  thing.tar: with the bytes of an earlier run or host it is not the official file, starting anew"
    assert (mixed in lines) == (len(there) <= len(DATA) and there != DATA)


def test_the_md5_counts_too(server: Server, tmp_path: Path) -> None:
    archive = archive_at(server)
    message = refused(tmp_path, archive=replace(archive, md5="0" * 32))
    assert f"its MD5 is {archive.md5}, that of the official file {'0' * 32}" in message
    get(tmp_path, archive=replace(archive, md5=None))


@pytest.mark.parametrize("content", [DATA[:99_999], DATA + b"!", b"<html>pay for the net</html>"])
def test_a_file_of_another_size_is_refused_before_it_comes(server: Server, tmp_path: Path, content: bytes) -> None:
    put_part(tmp_path, DATA[:10])
    server.files[f"/{NAME}"] = content
    assert f"it has another file: {len(content)} bytes" in refused(tmp_path, server)
    assert len(server.asked) == 1
    assert part(tmp_path) == DATA[:10]


def test_a_server_that_sends_no_length(server: Server, tmp_path: Path) -> None:
    server.always = How(length=False, extra=bytes(300_000))
    assert "sends more than the 100000 bytes" in refused(tmp_path, server)
    assert len(part(tmp_path)) <= len(DATA)
    server.always = How(length=False)
    get(tmp_path, server)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (How(content_range="bytes 11-99999/100000"), "asked for the bytes from 10 on and sends those from 11 on"),
        (How(content_range="nonsense"), "answers 206 Partial Content without the file"),
        (How(status=416, content_range="bytes */9"), "it has another file: 9 bytes"),
    ],
)
def test_wrong_ranges(server: Server, tmp_path: Path, how: How, why: str) -> None:
    put_part(tmp_path, DATA[:10])
    server.always = how
    assert why in refused(tmp_path, server)
    assert part(tmp_path) == DATA[:10]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416, 451, 501, 204])
def test_lasting_errors_are_not_tried_again(server: Server, tmp_path: Path, status: int) -> None:
    server.always = How(status=status)
    message = refused(tmp_path, server)
    assert f"answers {status} " in message
    assert "--mirror URL" in message
    assert "--archive FILE" in message
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_errors_are_tried_again(server: Server, tmp_path: Path, status: int) -> None:
    server.always = How(status=status)
    assert f"answers {status} " in refused(tmp_path, server)
    assert len(server.asked) == 3
    server.script, server.always = [How(status=status)] * 2, How()
    get(tmp_path, server)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("file:///etc/passwd", "it answers 302 Found"),
        ("ftp://127.0.0.1/thing.tar", "it redirects out of the web, to 'ftp://127.0.0.1/thing.tar'"),
        ("data:,x", "it answers 302 Found"),
        (f"/{NAME}", "it redirects in a circle"),
    ],
)
def test_redirections_lead_to_the_web_and_not_in_circles(server: Server, tmp_path: Path, target: str, why: str) -> None:
    server.always = How(location=target)
    assert f"/{NAME} ({why}): name another host" in refused(tmp_path, server)


def test_redirections_are_followed_with_the_range(server: Server, tmp_path: Path) -> None:
    put_part(tmp_path, DATA[:10])
    server.script = [How(location=f"{server.url}/{NAME}")]
    get(tmp_path, server)
    assert server.ranges() == ["bytes=10-", "bytes=10-"]


def test_a_wrong_file_of_the_user_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(bytes(len(DATA)))
    with pytest.raises(FsbenchError, match=r"thing\.tar: its SHA-256 is .*: remove the file, then run"):
        get(tmp_path, server)
    assert (tmp_path / NAME).read_bytes() == bytes(len(DATA))
    assert server.asked == []


def test_a_disk_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part.json").mkdir()
    assert "cannot be written" in refused(tmp_path, server)


def test_a_changing_file_is_given_up(server: Server, tmp_path: Path) -> None:
    server.script = [How(cut=50_000, etag=f'"{n}"', heeds_if_range=False) for n in range(99)]
    assert "not downloaded" in refused(tmp_path, server, patience=replace(QUICK, enough=10_000))
    assert len(server.asked) < 10

"""Fetching an archive: whatever the server and the connection do, the file is the official one or not there."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbench.download.fetch import Patience, fetch, missing_bytes
from fsbench.download.sources import Archive
from fsbench.errors import FsbenchError
from tests import ROOT
from tests.fsbench.download.download_server import QUICK, How, Server, archive_of, noise, serving

DATA = noise(100_000)
NAME = "thing.tar"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({NAME: DATA}) as running:
        yield running


def get(server: Server, folder: Path, archive: Archive | None = None, patience: Patience = QUICK) -> list[str]:
    """Fetch, and prove that what is there is right; gives what was said."""
    said: list[str] = []
    path = fetch(archive or archive_of(server, NAME, DATA), [f"{server.url}/{NAME}"], folder, patience, said.append)
    assert path == folder / NAME
    assert [file.name for file in folder.iterdir()] == [NAME]
    assert path.read_bytes() == DATA
    return said


def refusal(server: Server, folder: Path, archive: Archive | None = None, patience: Patience = QUICK) -> str:
    """What a fetch that must fail says; nothing may be left under the final name."""
    with pytest.raises(FsbenchError) as raised:
        get(server, folder, archive, patience)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    assert not (folder / NAME).exists()
    return str(raised.value)


def part(folder: Path) -> bytes | None:
    path = folder / f"{NAME}.part"
    return path.read_bytes() if path.exists() else None


def test_a_good_server_is_asked_once(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path) == ["  thing.tar: 100.0 kB, checksum right"]
    assert server.ranges() == [None]
    assert missing_bytes(archive_of(server, NAME, DATA), tmp_path) == 0
    assert get(server, tmp_path) == ["  thing.tar: there already, checksum right"]
    assert len(server.asked) == 1


def test_a_cut_connection_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.script = [How(cut=30_000), How(cut=20_000)]
    said = get(server, tmp_path)
    assert server.ranges() == [None, "bytes=30000-", "bytes=50000-"]
    assert [headers.get("if-range") for _, headers in server.asked] == [None, '"one"', '"one"']
    assert said[0] == "  thing.tar: the connection ended early at 30000 of 100000 bytes, trying again in 0 s"


def test_a_server_that_breaks_off_too_often_leaves_what_came(server: Server, tmp_path: Path) -> None:
    server.always = How(cut=10_000)
    archive = archive_of(server, NAME, DATA)
    said = refusal(server, tmp_path)
    assert f"tried {server.url}/{NAME} (the connection ended early, 3 times): 30000 of 100000 bytes are kept" in said
    assert "run the same command again to go on; or name another host with --mirror URL" in said
    assert part(tmp_path) == DATA[:30_000]
    assert missing_bytes(archive, tmp_path) == 70_000
    server.always = How()
    assert get(server, tmp_path)[0] == "  thing.tar: 30.0 kB of 100.0 kB are there, going on"
    assert server.ranges()[-1] == "bytes=30000-"


def test_tries_that_bring_enough_do_not_count(server: Server, tmp_path: Path) -> None:
    server.always = How(cut=10_000)
    get(server, tmp_path, patience=replace(QUICK, enough=10_000))
    assert len(server.asked) == 10


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 40_000), max_size=12), resumes=st.lists(st.booleans(), min_size=12, max_size=12))
def test_any_cuts_end_with_the_same_bytes(
    server: Server, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], resumes: list[bool]
) -> None:
    server.asked.clear()
    server.script = [How(cut=cut, resumes=able) for cut, able in zip(cuts, resumes, strict=False)]
    get(server, tmp_path_factory.mktemp("cuts"), patience=replace(QUICK, waits=(0.0,) * 13))
    assert len(server.asked) <= len(cuts) + 1
    at = 0
    for place, asked in enumerate(server.ranges()):
        assert asked == (f"bytes={at}-" if at else None)
        if place < len(cuts):
            at = (at if resumes[place] else 0) + cuts[place]


@pytest.mark.parametrize("heeds", [True, False], ids=["if-range heeded", "if-range ignored"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (How(etag='"old"'), How(etag='"new"')),
        (
            How(etag=None, modified="Fri, 11 May 2012 10:00:00 GMT"),
            How(etag=None, modified="Sat, 12 May 2012 10:00:00 GMT"),
        ),
        (How(etag='W/"old"', modified="Fri, 11 May 2012 10:00:00 GMT"), How(etag='W/"new"')),
    ],
    ids=["etag", "date", "weak"],
)
def test_a_changed_file_is_not_glued_on(server: Server, tmp_path: Path, old: How, new: How, heeds: bool) -> None:
    server.files[f"/{NAME}"] = bytes(len(DATA))
    server.always = replace(old, cut=10_000)
    refusal(server, tmp_path, patience=replace(QUICK, waits=()))
    server.files[f"/{NAME}"], server.always = DATA, replace(new, heeds_if_range=heeds)
    assert any("starting anew" in line for line in get(server, tmp_path))
    sent = server.asked[1][1]["if-range"]
    assert sent == (old.modified if old.etag is None or old.etag.startswith("W/") else old.etag)


def test_a_server_that_cannot_resume_starts_anew(server: Server, tmp_path: Path) -> None:
    server.script = [How(cut=60_000), How(resumes=False)]
    assert any("starting anew" in line for line in get(server, tmp_path))


def test_another_mirror_goes_on_without_the_old_etag(server: Server, tmp_path: Path) -> None:
    server.script = [How(cut=60_000)]
    refusal(server, tmp_path, patience=replace(QUICK, waits=()))
    with serving({NAME: DATA}) as other:
        get(other, tmp_path)
        assert other.asked[0][1]["range"] == "bytes=60000-"
        assert "if-range" not in other.asked[0][1]


@pytest.mark.parametrize(
    "state", [None, b"", b"[1]", b'{"url": 3}', b'{"url": "x", "etag": "a\\r\\nHost: b"}', b"\xff"]
)
def test_a_lost_or_damaged_state_is_no_harm(server: Server, tmp_path: Path, state: bytes | None) -> None:
    server.script = [How(cut=60_000)]
    refusal(server, tmp_path, patience=replace(QUICK, waits=()))
    path = tmp_path / f"{NAME}.part.json"
    path.unlink() if state is None else path.write_bytes(state)
    get(server, tmp_path)
    assert server.ranges()[-1] == "bytes=60000-"


def test_a_whole_part_is_verified_without_asking(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA)
    get(server, tmp_path)
    assert server.asked == []


def test_a_part_that_is_too_long_is_begun_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA + b"!")
    get(server, tmp_path)
    assert server.ranges() == [None]


def test_flipped_bytes_leave_nothing(server: Server, tmp_path: Path) -> None:
    server.files[f"/{NAME}"] = DATA[:500] + bytes([DATA[500] ^ 1]) + DATA[501:]
    assert "what it sent is not the official file: its SHA-256 is" in refusal(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.files[f"/{NAME}"] = DATA
    get(server, tmp_path)


def test_a_damaged_part_is_found_at_the_end(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(bytes(1000))
    said = get(server, tmp_path)
    assert said[1] == (
        "  thing.tar: with the bytes of an earlier run or host it is not the official file, starting anew"
    )
    assert server.ranges() == ["bytes=1000-", None]


def test_a_whole_part_that_is_wrong_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(bytes(len(DATA)))
    get(server, tmp_path)
    assert server.ranges() == [None]


def test_the_md5_counts_too(server: Server, tmp_path: Path) -> None:
    right = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    assert f"its MD5 is {right}, that of" in refusal(server, tmp_path, archive_of(server, NAME, DATA, md5="0" * 32))
    get(server, tmp_path, archive_of(server, NAME, DATA, md5=right))


@pytest.mark.parametrize("content", [DATA[:99_999], DATA + b"!", b"<html>pay for the net</html>"])
def test_a_file_of_another_size_is_refused_before_it_comes(server: Server, tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:10])
    server.files[f"/{NAME}"] = content
    assert f"it has another file: {len(content)} bytes" in refusal(server, tmp_path)
    assert len(server.asked) == 1
    assert part(tmp_path) == DATA[:10]


def test_more_bytes_than_the_file_has(server: Server, tmp_path: Path) -> None:
    server.always = How(length=False, extra=bytes(300_000))
    assert "sends more than the 100000 bytes" in refusal(server, tmp_path)
    assert len(part(tmp_path) or b"") <= len(DATA)


def test_a_server_that_says_no_length(server: Server, tmp_path: Path) -> None:
    server.always = How(length=False)
    get(server, tmp_path)


def test_wrong_ranges(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:10])
    server.always = How(content_range="bytes 11-99999/100000")
    assert "it was asked for the bytes from 10 on and sends those from 11 on" in refusal(server, tmp_path)
    server.always = How(content_range="nonsense")
    assert "answers 206 Partial Content without the file" in refusal(server, tmp_path)
    server.always = How(status=416, content_range="bytes */9")
    assert "it has another file: 9 bytes" in refusal(server, tmp_path)
    assert part(tmp_path) == DATA[:10]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416, 451, 501, 204])
def test_answers_that_will_not_change(server: Server, tmp_path: Path, status: int) -> None:
    server.always = How(status=status)
    said = refusal(server, tmp_path)
    assert f"answers {status} " in said
    assert "--mirror URL" in said
    assert "--archive FILE" in said
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_answers_that_may_change(server: Server, tmp_path: Path, status: int) -> None:
    server.script = [How(status=status), How(status=status)]
    get(server, tmp_path)
    server.always = How(status=status)
    with serving({}) as other:
        other.always = How(status=status)
        assert f"answers {status} " in refusal(other, tmp_path / "empty", archive_of(other, NAME, DATA))
        assert len(other.asked) == 3


def test_a_silent_server(server: Server, tmp_path: Path) -> None:
    server.script = [How(silent=1.0)]
    said = get(server, tmp_path, patience=replace(QUICK, timeout=0.2))
    assert "it went silent" in said[0]


def test_no_server_at_all(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Server(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert "(no connection (Connection refused), 3 times)" in refusal(nobody, tmp_path)


def test_no_such_host(tmp_path: Path) -> None:
    assert "no such host, or no network" in refusal(Server("http://nobody.invalid"), tmp_path)
    assert "names no host" in refusal(Server("http://a..b"), tmp_path)


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
    assert f"/{NAME} ({why}): name another host" in refusal(server, tmp_path)


def test_redirections_are_followed_with_the_range(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:10])
    server.script = [How(location=f"{server.url}/{NAME}")]
    get(server, tmp_path)
    assert server.ranges() == ["bytes=10-", "bytes=10-"]


def test_a_wrong_file_of_the_users_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(bytes(len(DATA)))
    with pytest.raises(FsbenchError, match=r"thing\.tar: its SHA-256 is .*: remove the file, then run"):
        get(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == bytes(len(DATA))
    assert server.asked == []


def test_a_disk_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part.json").mkdir()
    assert "cannot be written" in refusal(server, tmp_path)


SCRIPT = """
import sys
from pathlib import Path
from fsbench.download.fetch import fetch, Patience
from fsbench.download.sources import Archive
url, size, digest, folder = sys.argv[1:]
fetch(Archive((url,), int(size), digest, "things", (), 1 << 20), [url], Path(folder), Patience(), print)
"""


def test_a_killed_process_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.always = How(pause=0.05)
    digest = hashlib.sha256(DATA).hexdigest()
    command = [sys.executable, "-c", SCRIPT, f"{server.url}/{NAME}", str(len(DATA)), digest, str(tmp_path)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while len(part(tmp_path) or b"") < 20_000 and time.monotonic() < deadline:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    there = part(tmp_path)
    assert there is not None
    assert 20_000 <= len(there) < len(DATA)
    assert not (tmp_path / NAME).exists()
    server.always = How()
    get(server, tmp_path)
    assert server.ranges() == [None, f"bytes={len(there)}-"]

"""Several hosts of one file: whatever the first ones do, the official file comes from one that has it, or one line says
what every host did."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fsbench.download.fetch import fetch
from fsbench.download.sources import Archive
from fsbench.errors import FsbenchError
from tests import ROOT
from tests.fsbench.download.download_server import QUICK, How, Server, noise, serving

DATA = noise(100_000)
WRONG = noise(100_000, "another file of the same size")
NAME = "thing.tar"
Bad = Callable[[Server], None]


@pytest.fixture
def hosts() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving({NAME: DATA})) for _ in range(3)]


@pytest.fixture
def dead() -> Iterator[Server]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Server(f"http://127.0.0.1:{taken.getsockname()[1]}")


def archive_at(hosts: list[Server]) -> Archive:
    digests = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()
    urls = tuple(f"{host.url}/{NAME}" for host in hosts)
    return Archive(urls, len(DATA), digests[0], "things", (), 1 << 20, digests[1])


def get(hosts: list[Server], folder: Path) -> list[str]:
    """Fetch, and prove that what is there is right; gives what was said."""
    said: list[str] = []
    archive = archive_at(hosts)
    assert fetch(archive, archive.urls, folder, QUICK, said.append).read_bytes() == DATA
    assert [file.name for file in folder.iterdir()] == [NAME]
    assert not any("\n" in line for line in said)
    return said


def refusal(hosts: list[Server], folder: Path) -> str:
    with pytest.raises(FsbenchError) as raised:
        get(hosts, folder)
    assert not (folder / NAME).exists()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def page(server: Server) -> None:
    server.always = How(page=b"<html>Your access has been blocked by firewall policy</html>")


def circle(server: Server) -> None:
    server.always = How(location=f"/{NAME}")


def forbidden(server: Server) -> None:
    server.always = How(status=403)


def wrong(server: Server) -> None:
    server.files[f"/{NAME}"] = WRONG


def busy(server: Server) -> None:
    server.always = How(status=503)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (page, "it answers with a web page"),
        (circle, "it redirects in a circle"),
        (forbidden, "it answers 403 Forbidden"),
        (wrong, f"what it sent is not the official file: its SHA-256 is {hashlib.sha256(WRONG).hexdigest()}"),
        (busy, "it answers 503 Service Unavailable"),
    ],
)
def test_a_host_that_fails_is_named_and_the_next_one_is_tried(
    hosts: list[Server], tmp_path: Path, bad: Bad, why: str
) -> None:
    bad(hosts[0])
    names = [host.url.removeprefix("http://") for host in hosts]
    said = get(hosts, tmp_path)
    assert said[0].startswith(f"  thing.tar: {names[0]}: {why}")
    assert said[0].endswith(f"; trying {names[1]}")
    assert said[1:] == ["  thing.tar: 100.0 kB, checksum right"]
    assert [len(host.asked) for host in hosts[1:]] == [1, 0]


def test_a_dead_port_is_left_at_once(hosts: list[Server], dead: Server, tmp_path: Path) -> None:
    said = get([dead, hosts[0]], tmp_path)
    assert "no connection (Connection refused); trying" in said[0]
    assert len(said) == 2


def test_a_silent_host_is_left_after_one_timeout(hosts: list[Server], tmp_path: Path) -> None:
    hosts[0].always = How(silent=1.0)
    archive = archive_at(hosts)
    said: list[str] = []
    fetch(archive, archive.urls, tmp_path, replace(QUICK, timeout=0.2), said.append)
    assert "it went silent; trying" in said[0]
    assert len(hosts[0].asked) == 1


def test_a_name_that_is_no_host(hosts: list[Server], tmp_path: Path) -> None:
    assert "no such host, or no network; trying" in get([Server("http://nobody.invalid"), hosts[0]], tmp_path)[0]


def test_where_all_fail_one_line_says_what_each_did(hosts: list[Server], dead: Server, tmp_path: Path) -> None:
    for host, bad in zip(hosts, (page, circle, forbidden), strict=True):
        bad(host)
    urls = [f"{host.url}/{NAME}" for host in (*hosts, dead)]
    assert refusal([*hosts, dead], tmp_path) == (
        f"thing.tar: not downloaded; tried {urls[0]} (it answers with a web page), {urls[1]} (it redirects in a "
        f"circle), {urls[2]} (it answers 403 Forbidden), {urls[3]} (no connection (Connection refused), 3 times): "
        "name another host with --mirror URL, or fetch the file by hand and give it with --archive FILE"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_with_no_length_does_not_cost_what_has_arrived(hosts: list[Server], tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:60_000])
    page(hosts[0])
    get(hosts, tmp_path)
    assert hosts[1].ranges() == ["bytes=60000-"]


def test_the_next_host_goes_on_where_the_last_one_broke_off(hosts: list[Server], tmp_path: Path) -> None:
    hosts[0].script = [How(cut=60_000), How(status=403)]
    said = get(hosts, tmp_path)
    assert hosts[1].ranges() == ["bytes=60000-"]
    assert "if-range" not in hosts[1].asked[0][1]
    assert any("60.0 kB of 100.0 kB are there, going on" in line for line in said)


def test_a_mixture_of_hosts_is_fetched_anew_from_one(hosts: list[Server], tmp_path: Path) -> None:
    wrong(hosts[0])
    hosts[0].script = [How(cut=60_000), How(status=403)]
    said = get(hosts[:2], tmp_path)
    assert hosts[1].ranges() == ["bytes=60000-", None]
    assert any("with the bytes of an earlier run or host it is not the official file" in line for line in said)


def test_a_mixture_of_two_wrong_hosts_does_not_reach_the_third(hosts: list[Server], tmp_path: Path) -> None:
    wrong(hosts[0])
    wrong(hosts[1])
    hosts[0].script = [How(cut=60_000), How(status=403)]
    get(hosts, tmp_path)
    assert hosts[1].ranges() == ["bytes=60000-", None]
    assert hosts[2].ranges() == [None]


def test_wrong_bytes_of_the_only_host_end_after_one_fresh_fetch(hosts: list[Server], tmp_path: Path) -> None:
    wrong(hosts[0])
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:10])
    assert "what it sent is not the official file" in refusal(hosts[:1], tmp_path)
    assert hosts[0].ranges() == ["bytes=10-", None]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_at_every_answer_ends(hosts: list[Server], tmp_path: Path) -> None:
    hosts[0].script = [How(cut=50_000, etag=f'"{n}"', heeds_if_range=False) for n in range(99)]
    archive = archive_at(hosts[:1])
    with pytest.raises(FsbenchError, match="not downloaded"):
        fetch(archive, archive.urls, tmp_path, replace(QUICK, enough=10_000), [].append)
    assert len(hosts[0].asked) < 10


SCRIPT = """
import sys
from pathlib import Path
from tests.fsbench.download.download_server import QUICK, Server
from tests.fsbench.download.test_hosts import archive_at
from fsbench.download.fetch import fetch
archive = archive_at([Server(url) for url in sys.argv[2:]])
fetch(archive, archive.urls, Path(sys.argv[1]), QUICK, print)
"""


@pytest.mark.parametrize("then", ["the same hosts", "the second host has another file"])
def test_a_killed_run_is_resumed_on_any_host(hosts: list[Server], tmp_path: Path, then: str) -> None:
    forbidden(hosts[0])
    hosts[1].always = How(pause=0.05)
    if then == "the second host has another file":
        wrong(hosts[1])
    home = ROOT
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *(host.url for host in hosts)]
    process = subprocess.Popen(command, cwd=home, env={**os.environ, "PYTHONPATH": str(home)})
    part = tmp_path / f"{NAME}.part"
    deadline = time.monotonic() + 60
    while (part.stat().st_size if part.exists() else 0) < 20_000 and time.monotonic() < deadline:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    size = part.stat().st_size
    assert 20_000 <= size < len(DATA)
    hosts[1].always = How()
    get(hosts, tmp_path)
    if then == "the same hosts":
        assert hosts[1].ranges() == [None, f"bytes={size}-"]
        assert hosts[2].asked == []
    else:
        assert hosts[1].ranges() == [None, f"bytes={size}-", None]
        assert hosts[2].ranges() == [None]

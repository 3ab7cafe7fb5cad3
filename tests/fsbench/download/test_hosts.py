"""Fetching from several hosts: the first that has the official file gives it, or one line names what each host did."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fsbench.download.download_server import QUICK, How, Server, dead_server, noise, run_and_kill, serving
from tests.fsbench.download.test_fetch import DATA, NAME, get, part, put_part, refused

WRONG = noise(100_000, "another file of the same size")


@pytest.fixture
def hosts() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving({NAME: DATA})) for _ in range(3)]


PAGE = How(page=b"<html>Your access has been blocked by firewall policy</html>")
CIRCLE = How(location=f"/{NAME}")
FORBIDDEN = How(status=403)


def wrong(server: Server) -> None:
    server.files[f"/{NAME}"] = WRONG


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (PAGE, "it answers with a web page"),
        (FORBIDDEN, "it answers 403 Forbidden"),
        (None, "what it sent is not the official file: its SHA-256 is "),
        (How(status=503), "it answers 503 Service Unavailable"),
    ],
)
def test_a_host_that_fails_is_named_and_the_next_one_is_tried(
    hosts: list[Server], tmp_path: Path, bad: How | None, why: str
) -> None:
    if bad is None:
        wrong(hosts[0])
    else:
        hosts[0].always = bad
    names = [host.url.removeprefix("http://") for host in hosts]
    lines = get(tmp_path, *hosts)
    assert lines[0].startswith(f"  thing.tar: {names[0]}: {why}")
    assert lines[0].endswith(f"; trying {names[1]}")
    assert lines[1:] == ["  thing.tar: 100.0 kB, checksum right"]
    assert [len(host.asked) for host in hosts[1:]] == [1, 0]


def test_hosts_that_cannot_be_reached_are_left_at_once(hosts: list[Server], tmp_path: Path) -> None:
    hosts[0].always = How(silent=0.5)
    with dead_server() as dead:
        unreachable = [dead, Server("http://nobody.invalid"), Server("http://a..b"), hosts[0]]
        lines = get(tmp_path, *unreachable, hosts[1], patience=replace(QUICK, timeout=0.1))
    reasons = ["(Connection refused)", "no such host, or no network", "names no host that there can be", "went silent"]
    assert all(f"{reason}; trying" in line for reason, line in zip(reasons, lines, strict=False))
    assert len(hosts[0].asked) == 1


def test_where_all_fail_one_line_names_what_each_did(hosts: list[Server], tmp_path: Path) -> None:
    for host, bad in zip(hosts, (PAGE, CIRCLE, FORBIDDEN), strict=True):
        host.always = bad
    with dead_server() as dead:
        urls = [f"{host.url}/{NAME}" for host in (*hosts, dead)]
        assert refused(tmp_path, *hosts, dead) == (
            f"thing.tar: not downloaded; tried {urls[0]} (it answers with a web page), {urls[1]} (it redirects in a "
            f"circle), {urls[2]} (it answers 403 Forbidden), {urls[3]} (no connection (Connection refused), 3 times): "
            "name another host with --mirror URL, or fetch the file by hand and give it with --archive FILE"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_does_not_cost_the_part(hosts: list[Server], tmp_path: Path) -> None:
    put_part(tmp_path, DATA[:60_000])
    hosts[0].always = PAGE
    get(tmp_path, *hosts)
    assert hosts[1].ranges() == ["bytes=60000-"]


def test_the_next_host_resumes_without_the_etag_of_the_last(hosts: list[Server], tmp_path: Path) -> None:
    hosts[0].script = [How(cut=60_000), How(status=403)]
    lines = get(tmp_path, *hosts)
    assert hosts[1].ranges() == ["bytes=60000-"]
    assert "if-range" not in hosts[1].asked[0][1]
    assert any("60.0 kB of 100.0 kB are there, resuming" in line for line in lines)


def test_a_mixture_of_two_wrong_hosts_does_not_reach_the_third(hosts: list[Server], tmp_path: Path) -> None:
    wrong(hosts[0])
    wrong(hosts[1])
    hosts[0].script = [How(cut=60_000), How(status=403)]
    lines = get(tmp_path, *hosts)
    assert [host.ranges() for host in hosts[1:]] == [["bytes=60000-", None], [None]]
    assert any("with the bytes of an earlier run or host it is not the official file" in line for line in lines)


def test_wrong_bytes_of_the_only_host_end_after_one_fresh_fetch(hosts: list[Server], tmp_path: Path) -> None:
    wrong(hosts[0])
    put_part(tmp_path, DATA[:10])
    assert "what it sent is not the official file" in refused(tmp_path, hosts[0])
    assert hosts[0].ranges() == ["bytes=10-", None]
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys
from pathlib import Path
from tests.fsbench.download.download_server import QUICK, Server
from tests.fsbench.download.test_fetch import archive_at
from fsbench.download.fetch import fetch
archive = archive_at(*map(Server, sys.argv[2:]))
fetch(archive, archive.urls, Path(sys.argv[1]), QUICK, print)
"""


@pytest.mark.parametrize("changed", [False, True], ids=["the same hosts", "the second host has another file"])
def test_a_killed_run_resumes_on_any_host(hosts: list[Server], tmp_path: Path, changed: bool) -> None:
    hosts[0].always = FORBIDDEN
    hosts[1].always = How(pause=0.02)
    if changed:
        wrong(hosts[1])
    code = run_and_kill(SCRIPT, tmp_path, *(host.url for host in hosts), when=lambda: len(part(tmp_path)) >= 20_000)
    assert code == -signal.SIGKILL
    size = len(part(tmp_path))
    assert 20_000 <= size < len(DATA)
    hosts[1].always = How()
    get(tmp_path, *hosts)
    if changed:
        assert [host.ranges() for host in hosts[1:]] == [[None, f"bytes={size}-", None], [None]]
    else:
        assert [host.ranges() for host in hosts[1:]] == [[None, f"bytes={size}-"], []]

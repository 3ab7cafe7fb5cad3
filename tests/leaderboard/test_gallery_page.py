"""A gallery on a model's page: shown where masks were kept and the benchmark is available, else a reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fsbench.index.benchmark import Benchmark
from leaderboard.site.galleries import Galleries
from leaderboard.site.local_benchmarks import LocalBenchmarks, find_benchmarks
from tests.fsbench.small_benchmark import small_benchmark
from tests.leaderboard.built_site import site_of
from tests.leaderboard.pages_read import pages_of


def test_a_gallery_shows_the_masks_that_were_kept(small: Benchmark, with_masks: Path) -> None:
    galleries = Galleries(LocalBenchmarks([small]))
    (page,) = pages_of(with_masks, galleries)
    images = page.find("div", "gallery")[0].find("img")
    files = dict(galleries.assets())
    assert len(images) == 12
    assert {f"../{path}" for path in files} == {image.attributes["src"] for image in images}
    assert all(data.startswith(b"\xff\xd8") for data in files.values())
    assert all("IoU" in (image.attributes["alt"] or "") for image in images)
    assert "Photographs belong to their owners" in page.words
    assert "Size of the query's object against its supports'" in page.words


def test_the_reason_why_there_is_no_gallery(small: Benchmark, with_masks: Path, tmp_path: Path) -> None:
    shutil.copytree(with_masks, tmp_path / "out")
    (page,) = pages_of(tmp_path / "out")
    assert "No gallery: the benchmark is not " in page.words
    next((tmp_path / "out").rglob("*.png")).write_bytes(b"none")
    (page,) = pages_of(tmp_path / "out", Galleries(LocalBenchmarks([small])))
    assert "No gallery: " in page.words
    assert str(tmp_path) not in page.text


def test_benchmarks_under_the_home_are_found_by_their_digests(
    with_masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(with_masks)
    (record,) = (entry.record for entry in site.results.entries)
    home = tmp_path / "home"
    monkeypatch.setenv("FSBENCH_HOME", str(home))
    assert find_benchmarks(site).benchmark(record) is None
    (home / "broken").mkdir(parents=True)
    (home / "broken" / "benchmark.json").write_text("[")
    small_benchmark(tmp_path / "small")
    (tmp_path / "small" / "index").rename(home / "mine")
    found = find_benchmarks(site).benchmark(record)
    assert found is not None
    assert found.folder == home / "mine"
    (tmp_path / "small" / "raw").rename(tmp_path / "gone")
    gone = find_benchmarks(site)
    assert gone.benchmark(record) is None
    assert "mine" in gone.why_missing(record)
    assert str(home) not in gone.why_missing(record)

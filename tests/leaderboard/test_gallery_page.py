"""A gallery on a model's page: what was kept is shown where the benchmark is at hand, and why not where it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import fsbench
from fsbench.index.benchmark import Benchmark
from fsbench.records.record import Record
from leaderboard.site.gallery_view import Galleries
from leaderboard.site.local_benchmarks import AtHand, find_benchmarks
from tests.fsbench.sample_models import Bright
from tests.fsbench.small_benchmark import small_benchmark
from tests.leaderboard.pages_read import pages_of, site_of


def kept(folder: Path, benchmark: Benchmark) -> Record:
    return fsbench.evaluate(Bright(), benchmark, shots=1, threads=1, save_predictions=True, out=folder)


def test_a_gallery_shows_what_was_kept(tmp_path: Path) -> None:
    benchmark = small_benchmark(tmp_path / "tiny")
    kept(tmp_path / "out", benchmark)
    galleries = Galleries(AtHand([benchmark]))
    (page,) = pages_of(tmp_path / "out", galleries)
    images = page.find("div", "gallery")[0].find("img")
    written = dict(galleries.assets())
    assert len(images) == 12
    assert {f"../{path}" for path in written} == {image.attributes["src"] for image in images}
    assert all(data.startswith(b"\xff\xd8") for data in written.values())
    assert all("IoU" in (image.attributes["alt"] or "") for image in images)
    assert "Photographs belong to their owners" in page.words
    assert "Size of the query's object against its supports'" in page.words


def test_no_gallery_says_why(tmp_path: Path) -> None:
    benchmark = small_benchmark(tmp_path / "tiny")
    kept(tmp_path / "out", benchmark)
    (page,) = pages_of(tmp_path / "out")
    assert "No gallery: the benchmark is not at hand where the site was built." in page.words
    for file in (tmp_path / "out").rglob("*.png"):
        file.write_bytes(b"none")
        break
    (page,) = pages_of(tmp_path / "out", Galleries(AtHand([benchmark])))
    assert "No gallery: " in page.words
    assert str(tmp_path) not in page.text


def test_benchmarks_under_the_home_are_found_by_their_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = small_benchmark(tmp_path / "tiny")
    kept(tmp_path / "out", benchmark)
    site = site_of(tmp_path / "out")
    (record,) = (entry.record for entry in site.results.entries)
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    assert find_benchmarks(site).benchmark(record) is None
    (tmp_path / "home" / "broken").mkdir(parents=True)
    (tmp_path / "home" / "broken" / "benchmark.json").write_text("[")
    shutil.copytree(tmp_path / "tiny" / "index", tmp_path / "home" / "mine")
    found = find_benchmarks(site).benchmark(record)
    assert found is not None
    assert found.folder == tmp_path / "home" / "mine"
    (tmp_path / "tiny" / "raw").rename(tmp_path / "gone")
    gone = find_benchmarks(site)
    assert gone.benchmark(record) is None
    assert "mine" in gone.missing(record)
    assert str(tmp_path / "home") not in gone.missing(record)

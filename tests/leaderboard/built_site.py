"""Results and their site: boards of several shots and protocols, rows of every kind, and what may be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from fsbench.scoring.scenes import FALSE_ALARMS, HIT, LEAK, MISS, NAMED, WRONG_OBJECT
from leaderboard.boards import Board, make_boards
from leaderboard.results import read_results
from leaderboard.site.build import build_site
from leaderboard.site.pages import Site
from tests.leaderboard.sample_records import Change, part, write

LONG_TEXT = "VOC 2012 train, classes of the other folds; " * 6

MODELS: dict[str, tuple[float, dict[str, Any]]] = {
    "alpha-2": (0.62, {"prompts": "text", "total_parameters": 9_000_000, "trained_parameters": 0, "data": "LAION"}),
    "alpha-10": (0.615, {"prompts": "text", "total_parameters": 150_000_000, "data": LONG_TEXT}),
    "beta": (0.45, {"prompts": "none", "total_parameters": 2_500, "trained_parameters": 2_500, "data": "none"}),
    "gamma": (0.3, {"prompts": "none", "data": "unknown"}),
}
"""Name -> quality, and what its card says; the first two are close."""


class BuiltSite(NamedTuple):
    """What a site was made from, and its folder."""

    site: Site
    folder: Path

    def address(self, path: str) -> str:
        """The address of a page, as opened from the disk."""
        file, hash_, choice = path.partition("#")
        return (self.folder / file).as_uri() + hash_ + choice

    def board(self, benchmark: str, shots: int = 0) -> Board:
        """The main board of a benchmark."""
        return next(b for b in self.site.benchmarks[benchmark] if not b.off and b.shots == shots)


def site_of(results: Path, *, with_published: bool = False) -> Site:
    """The site of a folder of records, of which none is refused."""
    read = read_results(results)
    assert not read.refused
    return Site(read, make_boards(read.entries), with_published)


def build(results: Path, *, with_published: bool = False) -> BuiltSite:
    """Build the site of ``results``, beside it."""
    site, folder = site_of(results, with_published=with_published), results.parent / "site"
    build_site(site, folder)
    return BuiltSite(site, folder)


def carded(shots: int = 0, **said: Any) -> Change:
    """A card that says so, on a board of so many shots."""

    def change(record: dict[str, Any]) -> None:
        data = said.get("data")
        record["model"] |= {name: value for name, value in said.items() if name != "data"}
        if data is not None:
            record["model"]["training"] = {"*": {"training_data": data, "test_images_seen": "no"}}
        record["shots"] = shots
        record["timings"]["model_seconds"] = 0 if data == "unknown" else 0.001 * len(record["model"]["name"]) ** 2

    return change


def write_results(folder: Path) -> Path:
    """One main board of 0 shots with four ranked rows and three without a rank, one of 1 shot, and others apart."""
    for name, (quality, said) in MODELS.items():
        write(folder, name, quality, carded(**said))
    write(folder, "told", 0.9, carded(contaminated=True, prompts="text"))
    write(folder, "toy-example", 0.5, carded(example=True))
    write(folder, "half", 0.5, carded(), run=["0"])
    for name, quality in (("mask-a", 0.7), ("mask-b", 0.2)):
        write(folder, name, quality, carded(1, prompts="mask", data="COCO"))
    write(folder, "beta", 0.4, part, place="beta-part")
    write(folder, "beta", 0.4, _pascal, place="beta-pascal")
    write(folder, "scene-mask", 0.5, scenes("mask"))
    write(folder, "scene-text", 0.4, scenes("text"))
    return folder


def _pascal(record: dict[str, Any]) -> None:
    record["benchmark"] |= {"name": "pascal-5i", "title": "PASCAL-5i"}


def scenes(prompts: str) -> Change:
    """A record of composed scenes, its other scores made up."""

    def change(record: dict[str, Any]) -> None:
        record["model"]["prompts"] = prompts
        record["benchmark"] |= {"name": "mosaic4-classes", "title": "Mosaic-4 layout"}
        record["protocol"] = "mosaic4-v1"
        names = (NAMED, HIT, WRONG_OBJECT, MISS, LEAK, *FALSE_ALARMS)
        scores = {name: {"score": (n + 1) / 16, "ci95": [n / 16, (n + 2) / 16]} for n, name in enumerate(names)}
        for said in (record, *record["folds"].values()):
            said["other"] = json.loads(json.dumps(scores))

    return change

"""Damaged files of a Mosaic-4: the mosaics and questions are right, or one line names the file.

Written mosaics are looked at by ``verify``, and by the next build where one was killed, which ends in the right bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import CheckFailedError
from fsbench.index.benchmark import open_benchmark
from mosaic4.benchmark import MosaicBenchmark, build
from mosaic4.build import build as build_dataset
from mosaic4.dataset import Form
from mosaic4.recipe import make_recipe
from mosaic4.verification import verify_dataset
from tests.fuzz.targets import Target
from tests.fuzz.test_fuzz import fuzz, told
from tests.mosaic4.drawn_folders import KEYS, draw_folders
from tests.mosaic4.test_build import contents

SMALL = make_recipe([f"{key}/1" for key in KEYS])
"""Five mosaics."""
WRITTEN: dict[Form, tuple[str, ...]] = {
    "png": ("images/000003.png", "masks/000001.png", "metadata.jsonl"),
    "parquet": ("data/test-00000-of-00001.parquet",),
}


def used(folder: Path) -> object:
    """What an evaluation takes from a folder: its digests and questions, and two mosaics with their masks."""
    benchmark = open_benchmark(folder)
    assert isinstance(benchmark, MosaicBenchmark)
    asked = draw(benchmark.lists, "test", PROTOCOLS["mosaic4-v1"], 1, 0).sha256
    pixels = [hashlib.sha256(part.tobytes()).hexdigest() for i in (0, 7) for part in benchmark.mosaics[i]]
    return benchmark.digests, benchmark.lists, benchmark.title, benchmark.samples, asked, pixels


def checked(folder: Path, raw: Path) -> object:
    """The digests of a folder whose checks all pass; raises CheckFailedError otherwise."""
    failed = [check.said for check in verify_dataset(folder, raw, 1) if not check.passed]
    if failed:
        raise CheckFailedError("; ".join(failed))
    return "whole"


def make_targets(folder: Path) -> list[Target]:
    raw = draw_folders(folder / "raw")
    (folder / "classes.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    whole = folder / "mosaic"
    build(raw, whole, classes=folder / "classes.txt")
    benchmark = open_benchmark(whole)
    assert isinstance(benchmark, MosaicBenchmark)
    sample = benchmark.dataset.recipe.mosaics[7][2]
    targets = [
        Target(f"mosaic {name}", whole / name, lambda: used(whole), is_json=name.endswith(".json"))
        for name in ("mosaic4.json", "recipe.parquet", "croissant.json", "benchmark.json")
    ]
    targets += [Target(f"mosaic tile {end}", raw / f"{sample}.{end}", lambda: used(whole)) for end in ("jpg", "png")]
    for form, names in WRITTEN.items():
        out = folder / form
        build_dataset(raw, out, SMALL, form=form)
        targets += [
            Target(f"written {name}", out / name, lambda out=out: checked(out, raw))  # type: ignore[misc]
            for name in names
        ]
    return targets


def test_150_mutations(tmp_path: Path) -> None:
    assert sum(fuzz(make_targets(tmp_path), 150).values()) == 150


@pytest.mark.long
def test_3000_mutations(tmp_path: Path) -> None:
    ends = fuzz(make_targets(tmp_path), 3000)
    print(told(ends))
    assert sum(ends.values()) == 3000


@pytest.mark.parametrize("form", WRITTEN)
def test_a_resumed_build_keeps_no_damaged_file(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = draw_folders(tmp_path / "raw")
    build_dataset(raw, tmp_path / "whole", SMALL, form=form)
    expected = contents(tmp_path / "whole")
    for number, name in enumerate(WRITTEN[form]):
        for place in range(0, len(expected[name]), max(1, len(expected[name]) // 4)):
            out = tmp_path / f"out{number}-{place}"
            with monkeypatch.context() as patch:
                patch.setattr("mosaic4.build.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
                with pytest.raises(KeyboardInterrupt):
                    build_dataset(raw, out, SMALL, form=form)
            data = bytearray(expected[name])
            data[place] ^= 0x10
            (out / name).write_bytes(bytes(data))
            build_dataset(raw, out, SMALL, form=form)
            assert contents(out) == expected

"""Breakdowns against a golden worked out by hand, and against plain Python over rows, one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsbench
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.records.counts import BACKGROUND, Row, SceneCounts, read_counts, write_counts
from fsbench.records.record import ClassRecord, Record, read_record
from fsbench.scoring.metrics import score
from leaderboard.breakdowns import Bin, BinScore, Breakdown, breakdowns, read_breakdowns
from leaderboard.count_columns import read_count_columns
from leaderboard.support_sizes import SupportSizes, support_sizes
from tests.fsbench.results.saved_records import write_stored
from tests.fsbench.sample_models import Masked

FOLDS = {"0": (0, 1), "1": (2,)}
GOLDEN = {
    "0": [
        ("a", 0, 2, 4, 4, 1000),
        ("a", 1, 50, 50, 50, 1000),
        ("b", 0, 10, 20, 10, 1000),  # 1 % to the pixel
        ("c", 0, 100, 120, 100, 1000),  # 10 % to the pixel
        ("d", 1, 0, 0, 101, 1000),
        ("e", 1, 0, 0, 0, 0),  # void all over
    ],
    "1": [("a", 2, 300, 400, 500, 1000), ("f", 2, 0, 0, 0, 1000)],
}


def test_a_golden_worked_out_by_hand(tmp_path: Path) -> None:
    path = write_stored(tmp_path, GOLDEN, FOLDS)
    size, classes = read_breakdowns(tmp_path, read_record(path))
    middle, three = (110 / 140 + 1) / 2, math.fsum([2 / 6, 1, 0.5]) / 3
    assert (size.key, plainly(size)) == (
        "object_size",
        {
            "< 1 %": [(2, 2, 1, 2, 2 / 6), (1, 1, 1, 1, 2 / 6), (1, 1, 0, 1, None)],
            "1-10 %": [(3, 3, 2, 1, middle), (3, 3, 2, 0, middle), (0, 0, 0, 1, None)],
            "> 10 %": [(2, 2, 2, 1, 0.25), (1, 1, 1, 1, 0.0), (1, 1, 1, 0, 0.5)],
        },
    )
    assert (classes.key, plainly(classes)) == (
        "classes_per_image",
        {
            "1": [(4, 4, 2, 1, 11 / 28), (3, 3, 2, 0, 11 / 28), (1, 1, 0, 1, None)],
            "2": [(0, 0, 0, 3, None), (0, 0, 0, 2, None), (0, 0, 0, 1, None)],
            "3+": [(3, 1, 3, 0, three), (2, 1, 2, 0, (2 / 6 + 1) / 2), (1, 1, 1, 0, 0.5)],
        },
    )


def plainly(found: Breakdown) -> dict[str, list[tuple[object, ...]]]:
    """Bin -> what is in it of all folds, fold 0 and fold 1."""
    return {b.name: [astuple(part) for part in (b.total, b.folds["0"], b.folds["1"])] for b in found.bins}


def test_a_class_with_no_sample_in_a_bin_is_left_out_under_any_protocol(tmp_path: Path) -> None:
    record = read_record(write_stored(tmp_path, GOLDEN, FOLDS))
    zeros = record.model_copy(update={"protocol": "hsnet"})
    assert PROTOCOLS["hsnet"].empty == "zero"
    assert read_breakdowns(tmp_path, zeros) == read_breakdowns(tmp_path, record)


# --- plain Python over rows ---


def naive(rows: Sequence[Row], folds: Mapping[str, Sequence[int]], bin_of: Callable[[Row], int | None]) -> list[Bin]:
    """Bins "0", "1", "2" of the rows of the folds' classes, each row looked at on its own."""

    def part(b: int, among: Sequence[str]) -> BinScore:
        there = [r for r in rows if r.fold in among and r.valid and not r.absent and r.class_id in folds[r.fold]]
        there = [r for r in there if bin_of(r) == b]
        ious = []
        for fold in among:
            for class_id in folds[fold]:
                of_class = [r for r in there if (r.fold, r.class_id) == (fold, class_id)]
                union = sum(r.predicted + r.truth - r.intersection for r in of_class)
                if union:
                    ious.append(sum(r.intersection for r in of_class) / union)
        return BinScore(
            episodes=len({(r.fold, r.number) for r in there}),
            images=len({r.image for r in there}),
            classes=len(ious),
            left_out=sum(len(folds[fold]) for fold in among) - len(ious),
            miou=math.fsum(ious) / len(ious) if ious else None,
        )

    return [Bin(str(b), part(b, list(folds)), {fold: part(b, [fold]) for fold in folds}) for b in range(3)]


def naive_size(row: Row) -> int:
    percent = 100 * row.truth / row.valid  # exact where it is a whole number
    return 0 if percent < 1 else 2 if percent > 10 else 1


def naive_classes(
    rows: Sequence[Row], folds: Mapping[str, Sequence[int]], *, true_ones: bool
) -> Callable[[Row], int | None]:
    def bin_of(row: Row) -> int | None:
        seen = {
            r.class_id
            for r in rows
            if r.image == row.image and r.class_id in folds[r.fold] and (r.truth or not true_ones) and not r.absent
        }
        return min(len(seen), 3) - 1 if seen else None

    return bin_of


def plain(found: Breakdown) -> list[Bin]:
    return [replace(of_bin, name=str(b)) for b, of_bin in enumerate(found.bins)]


@cache
def base() -> Record:
    with TemporaryDirectory() as folder:
        return read_record(write_stored(Path(folder), GOLDEN, FOLDS))


def record_of(rows: Sequence[Row], folds: Mapping[str, Sequence[int]], protocol: str) -> Record:
    """A record with the sums of these rows; its other scores are not looked at."""
    said = {}
    for fold, ids in folds.items():
        counted = [r[4:9] for r in rows if r.fold == fold and r.valid and not r.absent and r.class_id in ids]
        scored = score(*np.array(counted, np.int64).reshape(-1, 5).T, fold_classes=ids, empty="drop")
        classes = {f"class_{c.class_id}": ClassRecord(**vars(c)) for c in scored.classes}
        asked = len({r.number for r in rows if r.fold == fold})
        said[fold] = base().folds["0"].model_copy(update={"classes": classes, "asked": asked})
    benchmark = base().benchmark.model_copy(update={"folds": tuple(folds)})
    return base().model_copy(update={"folds": said, "benchmark": benchmark, "protocol": protocol})


def computed(rows: Sequence[Row], record: Record, supports: SupportSizes | None = None) -> dict[str, Breakdown]:
    with TemporaryDirectory() as folder:
        write_counts(Path(folder) / "counts.parquet", rows)
        found = breakdowns(record, read_count_columns(Path(folder) / "counts.parquet"), supports)
    return {breakdown.key: breakdown for breakdown in found}


@st.composite
def pixels(draw_: st.DrawFn) -> tuple[int, int, int, int]:
    """Intersection, predicted, truth, valid of some mask; truth often at the edge of a bin."""
    valid = draw_(st.sampled_from([0, 1, 7, 100, 1000, 2**20]))
    truth = min(valid, draw_(st.one_of(st.integers(0, valid), st.sampled_from([0, 1, 10, 100, valid // 10]))))
    inter = draw_(st.integers(0, truth))
    return inter, inter + draw_(st.integers(0, valid - truth)), truth, valid


SOME_FOLDS = {"0": (3, 0), "1": (7,), "x": (1, 2, 5)}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_counts_of_one_class_at_a_time(data: st.DataObject) -> None:
    rows = []
    for fold, ids in SOME_FOLDS.items():
        asked = data.draw(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(ids), pixels()), max_size=7))
        rows += [Row(fold, n, image, image, class_id, *four) for n, (image, class_id, four) in enumerate(asked)]
    record = record_of(rows, SOME_FOLDS, "fsbench-v1")
    bins = {fold: np.array(data.draw(st.lists(st.integers(0, 2), min_size=7, max_size=7))) for fold in SOME_FOLDS}
    found = computed(rows, record, SupportSizes(bins, record.manifests_sha256))
    assert list(found) == ["object_size", "classes_per_image", "against_support"]
    assert plain(found["object_size"]) == naive(rows, SOME_FOLDS, naive_size)
    by_classes = naive_classes(rows, SOME_FOLDS, true_ones=False)
    assert plain(found["classes_per_image"]) == naive(rows, SOME_FOLDS, by_classes)
    assert plain(found["against_support"]) == naive(rows, SOME_FOLDS, lambda r: int(bins[r.fold][r.number]))
    for breakdown in found.values():
        assert sum(b.total.episodes for b in breakdown.bins) == sum(row.valid > 0 for row in rows)
        for b in breakdown.bins:
            assert b.total.classes == sum(part.classes for part in b.folds.values())
            assert b.total.classes + b.total.left_out == 6


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_counts_of_classes_asked_together(data: st.DataObject) -> None:
    rows = []
    for fold in SOME_FOLDS:
        for number, image in enumerate(data.draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True))):
            said = data.draw(st.dictionaries(st.sampled_from([0, 1, 2, 3, 5, 7]), pixels(), max_size=4))
            four = {BACKGROUND: (1, 1, 1, 1), **said}
            rows += [Row(fold, number, image, image, class_id, *counted) for class_id, counted in four.items()]
    record = record_of(rows, SOME_FOLDS, "fsbench-general-v1")
    found = computed(rows, record, SupportSizes({}, record.manifests_sha256))
    assert list(found) == ["classes_per_image"]
    by_classes = naive_classes(rows, SOME_FOLDS, true_ones=True)
    assert plain(found["classes_per_image"]) == naive(rows, SOME_FOLDS, by_classes)


def test_absent_queries_of_scenes_are_in_no_bin() -> None:
    def scene(number: int, position: int, truth: int) -> Row:
        counts = SceneCounts(position, (3, 0, 0, 0), (2, 0, 0, 0), (truth or 9, 9, 9, 9))
        own = 2 if position == 0 else 0
        return Row("test", number, "000001", f"photo{number}", number % 2, own, 3, truth, 100, counts)

    rows = [scene(0, 0, 9), scene(1, -1, 0), scene(2, 0, 20), scene(3, 1, 9)]
    folds = {"test": (0, 1)}
    found = computed(rows, record_of(rows, folds, "mosaic4-v1"))
    assert list(found) == ["object_size"]
    assert plain(found["object_size"]) == naive(rows, folds, naive_size)
    assert [b.total.episodes for b in found["object_size"].bins] == [0, 2, 1]


# --- real records ---


@pytest.fixture(scope="module")
def real(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record, SupportSizes]:
    """The folder of a 3-shot record, the record, and its support sizes."""
    out = tmp_path_factory.mktemp("three-shot")
    record = fsbench.evaluate(Masked(), small, shots=3, out=out, threads=1)
    supports = support_sizes(record, small)
    assert supports is not None
    return out / record.folder(), record, supports


def naive_against_support(small: Benchmark, record: Record) -> Callable[[Row], int]:
    """Masks are opened and their pixels counted, supports read from the manifest's text."""

    def share(sample: str, class_id: int) -> float:
        return float(np.mean(small.truth(sample, class_id) == 1))

    lines = {}
    for fold in record.folds:
        manifest = draw(small.lists, fold, PROTOCOLS[record.protocol], record.shots, record.seed)
        lines |= {(fold, number): line.split(" ") for number, line in enumerate(manifest.text().splitlines())}

    def bin_of(row: Row) -> int:
        query, class_id, *supports = lines[row.fold, row.number]
        assert (query, int(class_id)) == (row.query, row.class_id)
        assert len(supports) == record.shots
        ratio = share(query, row.class_id) / np.mean([share(support, row.class_id) for support in supports])
        return 0 if ratio < 0.5 else 2 if ratio > 2 else 1

    return bin_of


def test_a_real_record(small: Benchmark, real: tuple[Path, Record, SupportSizes]) -> None:
    folder, record, supports = real
    rows, folds = read_counts(folder / "counts.parquet"), small.lists.folds
    found = {breakdown.key: breakdown for breakdown in read_breakdowns(folder, record, supports)}
    assert list(found) == ["object_size", "classes_per_image", "against_support"]
    assert plain(found["object_size"]) == naive(rows, folds, naive_size)
    assert plain(found["classes_per_image"]) == naive(rows, folds, naive_classes(rows, folds, true_ones=False))
    assert plain(found["against_support"]) == naive(rows, folds, naive_against_support(small, record))
    assert all(b.total.episodes for b in found["against_support"].bins)
    assert [b.total.episodes for b in found["classes_per_image"].bins] == [80, 0, 0]
    assert found["classes_per_image"].bins[0].total.miou == pytest.approx(record.miou, abs=1e-12)
    assert found["classes_per_image"].bins[0].folds["2"].miou == record.folds["2"].miou


def test_a_record_of_some_folds_says_nothing_of_classes_per_image(real: tuple[Path, Record, SupportSizes]) -> None:
    folder, record, supports = real
    some = record.model_copy(update={"folds": {fold: record.folds[fold] for fold in ("1", "3")}})
    rows = [row for row in read_counts(folder / "counts.parquet") if row.fold in some.folds]
    found = computed(rows, some, supports)
    assert list(found) == ["object_size", "against_support"]
    assert all(list(b.folds) == ["1", "3"] for breakdown in found.values() for b in breakdown.bins)


# --- where supports are not known ---


@pytest.mark.parametrize(
    "change",
    [
        {"shots": 0},
        {"shots": 2},
        {"shots": 10},  # a class has 10 images
        {"shots": 10**15},
        {"seed": 1},
        {"run": 7},
        {"protocol": "pfenet"},  # not defined for this benchmark
    ],
)
def test_other_questions_have_no_support_sizes(
    small: Benchmark, real: tuple[Path, Record, SupportSizes], change: dict[str, object]
) -> None:
    assert support_sizes(real[1].model_copy(update=change), small) is None


def test_other_masks_and_unknown_areas_have_no_support_sizes(
    small: Benchmark, real: tuple[Path, Record, SupportSizes]
) -> None:
    assert support_sizes(real[1], replace(small, digests=replace(small.digests, masks="0" * 64))) is None
    areas = {name: (-1, *of[1:]) for name, of in small.areas.items()}
    assert support_sizes(real[1], replace(small, areas=areas)) is None
    assert support_sizes(real[1], replace(small, areas={})) is None


def test_supports_of_other_manifests_or_other_episodes_are_not_used(real: tuple[Path, Record, SupportSizes]) -> None:
    folder, record, supports = real
    other = replace(supports, manifests=dict.fromkeys(supports.manifests, "0" * 64))
    assert len(read_breakdowns(folder, record, other)) == 2
    rows = read_counts(folder / "counts.parquet")
    rows[-1] = rows[-1]._replace(number=20)
    with pytest.raises(FsbenchError, match=r"fold 3 has an episode 20, its manifest has 20: evaluate again$"):
        computed(rows, record, supports)


# --- counts that are not the record's ---


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"intersection": 1}, "does not give the sums"),
        ({"class_id": 1}, "does not give the sums"),
        ({"fold": "1"}, "does not give the sums"),
        ({"valid": 0}, "counts no mask"),
        ({"intersection": 5}, "counts no mask"),
        ({"truth": -4}, "counts no mask"),
        ({"valid": 2**62}, "fewer than 2"),
        ({"number": -1}, "has an episode -1"),
    ],
)
def test_counts_of_another_record_are_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    record = read_record(write_stored(tmp_path, GOLDEN, FOLDS))
    first, *rest = read_counts(tmp_path / "counts.parquet")
    write_counts(tmp_path / "counts.parquet", [first._replace(**change), *rest])
    with pytest.raises(FsbenchError, match=said) as error:
        read_breakdowns(tmp_path, record)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "counts.parquet") in str(error.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    record = read_record(write_stored(tmp_path, GOLDEN, FOLDS))
    counts = tmp_path / "counts.parquet"
    with pytest.raises(FsbenchError, match="8 rows, expected at most 7"):
        read_count_columns(counts, 7)
    rows = read_counts(counts)
    write_counts(counts, [*rows, rows[0]._replace(fold="unknown")])
    with pytest.raises(FsbenchError, match="9 rows, expected at most 8"):
        read_breakdowns(tmp_path, record)
    counts.unlink()
    with pytest.raises(FsbenchError, match="cannot be read as counts"):
        read_breakdowns(tmp_path, record)


def test_a_record_that_gives_no_class_ids_is_not_broken_down(tmp_path: Path) -> None:
    record = read_record(write_stored(tmp_path, GOLDEN, FOLDS))
    classes = {key: c.model_copy(update={"class_id": None}) for key, c in record.folds["0"].classes.items()}
    folds = {**record.folds, "0": record.folds["0"].model_copy(update={"classes": classes})}
    assert read_breakdowns(tmp_path, record.model_copy(update={"folds": folds})) == ()

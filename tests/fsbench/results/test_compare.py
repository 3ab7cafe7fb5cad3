"""Two records against each other: Fractions, every possible swap, Python's own generator, and what is refused."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

import fsbench
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.records.record import read_record
from fsbench.results.compare import Comparison, Difference, compare
from fsbench.scoring.intervals import Design
from fsbench.scoring.metrics import Empty
from fsbench.scoring.permutation import SWAPS, coins, permutation_test
from tests.command import run as command
from tests.fsbench.results.saved_records import Episode, altered, write_stored
from tests.fsbench.results.test_rescore import CLASSES, made_up, naive_miou
from tests.fsbench.sample_models import Bright
from tests.fsbench.scoring.test_confusion import Noise
from tests.fsbench.scoring.test_intervals import RULES, given_counts, naive_multiplicities, python_generator

Folds = Mapping[str, Sequence[Episode]]


def answered(asked: Folds, seed: int) -> dict[str, list[Episode]]:
    """The same questions as another model might answer them."""
    source = random.Random(seed)
    folds: dict[str, list[Episode]] = {}
    for fold, episodes in asked.items():
        folds[fold] = []
        for image, class_id, _, _, truth, valid in episodes:
            inter = source.randint(0, truth)
            folds[fold].append((image, class_id, inter, inter + source.randint(0, (valid - truth) // 3), truth, valid))
    return folds


def naive_differences(a: Folds, b: Folds, swapped: frozenset[str], empty: str) -> dict[str, Fraction | None]:
    """Per fold and in the mean, the difference once all episodes of the images in ``swapped`` have changed sides."""
    found: dict[str, Fraction | None] = {}
    for fold in a:
        pairs = [(y, x) if x[0] in swapped else (x, y) for x, y in zip(a[fold], b[fold], strict=True)]
        sides = [naive_miou([pair[side] for pair in pairs], CLASSES[fold], empty) for side in (0, 1)]
        found[fold] = None if sides[0] is None or sides[1] is None else sides[0] - sides[1]
    values = [value for value in found.values() if value is not None]
    found["mean"] = sum(values, Fraction(0)) / len(values) if len(values) == len(a) else None
    return found


def naive_coins(text: str, images: Sequence[str], swaps: int) -> list[frozenset[str]]:
    """Which images change sides, from the specification, by Python's own MT19937."""
    source = python_generator(text + "\nfsbench-swap-v1")
    found = []
    for _ in range(swaps):
        outputs = [source.getrandbits(32) for _ in range(-(-len(images) // 32))]
        found.append(frozenset(name for i, name in enumerate(images) if outputs[i // 32] >> (i % 32) & 1))
    return found


def larger(swapped: Fraction | None, observed: Fraction) -> bool:
    return swapped is None or abs(swapped) >= abs(observed)


@pytest.mark.parametrize("images", [1, 31, 32, 33, 100])
def test_coins_are_those_of_python(images: int) -> None:
    names = [f"{i:03d}" for i in range(images)]
    expected = naive_coins("some\ntext", names, 70)
    for chunk in (1, 64 * images, 1 << 22):
        blocks = list(coins("some\ntext", images, 70, chunk))
        assert [first for first, _ in blocks] == list(np.cumsum([0, *(b.shape[1] for _, b in blocks)])[:-1])
        drawn = np.concatenate([block for _, block in blocks], axis=1)
        assert drawn.shape == (images, 70)
        assert set(np.unique(drawn)) <= {0.0, 1.0}
        assert [frozenset(names[i] for i in np.flatnonzero(c)) for c in drawn.T] == expected


@pytest.mark.parametrize("empty", RULES)
def test_p_is_that_of_all_swaps(empty: Empty) -> None:
    """Eight images have 256 swaps: the sampled p counts exactly the drawn ones, and lies near that of all."""
    a = made_up(3, images=8)
    b = {fold: [(*e[:2], min(e[2] + 1, e[4]), max(e[3], e[2] + 1), *e[4:]) for e in of] for fold, of in a.items()}
    b["1"][-1] = a["1"][-1]
    b |= {"0": answered(a, 4)["0"]}
    images = sorted({e[0] for of in a.values() for e in of})
    assert len(images) == 8
    table = {
        swapped: naive_differences(a, b, swapped, empty)
        for r in range(9)
        for swapped in map(frozenset, itertools.combinations(images, r))
    }
    observed = table[frozenset()]
    drawn = naive_coins("text", images, SWAPS)
    found = permutation_test(given_counts(a), given_counts(b), images[::-1], "text", empty)
    for name, p in [*found.folds.items(), ("mean", found.mean)]:
        own = observed[name]
        assert own is not None
        hits = sum(larger(table[swapped][name], own) for swapped in drawn)
        assert p == (1 + hits) / (1 + SWAPS)
        exact = sum(larger(values[name], own) for values in table.values()) / len(table)
        assert abs(p - exact) < 5 * math.sqrt(exact * (1 - exact) / SWAPS) + 1e-3
        assert 0.01 < exact < 1, "a case that proves nothing"


COUNTS = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.floats(0, 1), st.floats(0, 1))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from((0, 1, 2, 3, 4)), COUNTS), min_size=1, max_size=14),
    st.sampled_from(RULES),
)
@settings(deadline=None, max_examples=40)
def test_p_of_any_counts(drawn: list[Any], empty: Empty) -> None:
    """Classes without a pixel on one side, folds without any, repeated episodes: as in a score of the swapped sides."""
    sides: list[dict[str, list[Episode]]] = [{"0": [], "1": []}, {"0": [], "1": []}]
    for image, class_id, (truth, of_a, of_b, part_a, part_b) in drawn:
        for side, predicted, part in zip(sides, (of_a, of_b), (part_a, part_b), strict=True):
            episode = (f"i{image}", class_id, round(part * min(truth, predicted)), predicted, truth, 20)
            side["0" if class_id in CLASSES["0"] else "1"].append(episode)
    a, b = ({fold: of for fold, of in side.items() if of} for side in sides)
    images = sorted({e[0] for of in a.values() for e in of})
    observed = naive_differences(a, b, frozenset(), empty)
    flips = [naive_differences(a, b, swapped, empty) for swapped in naive_coins("t", images, 40)]
    found = permutation_test(given_counts(a), given_counts(b), images, "t", empty, swaps=40, chunk=100)
    back = permutation_test(given_counts(b), given_counts(a), images, "t", empty, swaps=40)
    assert found == back
    for name, p in [*found.folds.items(), ("mean", found.mean)]:
        own = observed[name]
        if own is None:
            assert p is None
        else:
            assert p == (1 + sum(larger(values[name], own) for values in flips)) / 41


def two(folder: Path, **options: Any) -> tuple[Path, Path]:
    asked = made_up(1)
    return (
        write_stored(folder / "a", asked, CLASSES, model="first", **options),
        write_stored(folder / "b", answered(asked, 2), CLASSES, model="second", **options),
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two records of the same questions; not to be changed."""
    return two(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def copies(pair: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The same in copies that a test may alter."""
    shutil.copytree(pair[0].parents[1], tmp_path, dirs_exist_ok=True)
    return tmp_path / "a" / "record.json", tmp_path / "b" / "record.json"


@pytest.mark.parametrize("protocol", ["fsbench-v1", "hsnet"])
def test_differences_and_intervals_against_loops(tmp_path: Path, protocol: str) -> None:
    empty = {"fsbench-v1": "drop", "hsnet": "zero"}[protocol]
    found = compare(*two(tmp_path, protocol=protocol))
    a = made_up(1)
    b = answered(a, 2)
    digests = read_record(tmp_path / "a").manifests_sha256
    images = sorted({e[0] for of in a.values() for e in of})
    assert found.images == len(images)
    flips = [naive_differences(a, b, s, empty) for s in naive_coins("\n".join(digests.values()), images, 200)]
    observed = naive_differences(a, b, frozenset(), empty)
    assert found.miou is not None
    for name, said in [*((f, of.miou) for f, of in found.folds.items()), ("mean", found.miou)]:
        own = observed[name]
        assert own is not None
        assert said.difference == pytest.approx(float(own), abs=1e-14)
        assert said.a is not None
        assert said.b is not None
        assert said.difference == said.a - said.b
        near = (1 + sum(larger(values[name], own) for values in flips)) / 201
        assert said.p == pytest.approx(near, abs=0.16)  # five standard errors of 200 swaps
    design = Design.from_manifests([(f, e[0], e[1]) for f, of in a.items() for e in of], digests)
    times = naive_multiplicities(design, 10_000)
    for fold, ids in CLASSES.items():
        for class_id in ids:
            said = found.folds[fold].classes[f"class_{class_id}"]
            ious, wanted = [], []
            for side in (a, b):
                own_rows = [e for e in side[fold] if e[1] == class_id]
                sums = [
                    (sum(e[2] * t[e[0]] for e in own_rows), sum((e[3] + e[4] - e[2]) * t[e[0]] for e in own_rows))
                    for t in times
                ]
                ious.append([inter / union if union else math.nan for inter, union in sums])
                inter, union = sum(e[2] for e in own_rows), sum(e[3] + e[4] - e[2] for e in own_rows)
                wanted.append(inter / union if union else None if empty == "drop" else 0)
            assert (said.a, said.b) == tuple(wanted)
            differences = np.subtract(*ious)
            differences = differences[~np.isnan(differences)]
            if len(differences):
                assert said.ci95 == pytest.approx(np.percentile(differences, (2.5, 97.5)), abs=1e-15)
            else:
                assert said.ci95 is None
            assert said.p is None


def test_the_other_way_round_it_is_negated(pair: tuple[Path, Path]) -> None:
    def numbers(found: Comparison, sign: int) -> list[float]:
        """A, B, A - B, both ends of the interval and p, as they are of the other two where ``sign`` is -1."""
        every = [found.miou, *(of.miou for of in found.folds.values())]
        every += [of_class for of in found.folds.values() for of_class in of.classes.values()]
        flat = []
        for one in every:
            assert one is not None
            sides, ends = (one.a, one.b)[::sign], (one.ci95 or (math.nan, math.nan))[::sign]
            values = [*sides, *(end * sign for end in ends), one.p, (one.difference or 0) * sign]
            flat += [math.nan if value is None else value for value in values]
        return flat

    a, b = pair
    there, back = compare(a, b), compare(b.parent, a.parent)
    assert numbers(back, -1) == pytest.approx(numbers(there, 1), abs=1e-14, nan_ok=True)
    assert (there.a, there.b) == (back.b, back.a)
    assert (there.a.model, there.b.model) == ("first", "second")


def test_a_record_does_not_differ_from_itself(small: Benchmark, tmp_path: Path) -> None:
    record = fsbench.evaluate(Bright(), small, out=tmp_path, threads=1)
    found = compare(tmp_path / record.folder(), tmp_path / record.folder() / "record.json")
    assert found.miou == Difference(record.miou, record.miou, 0.0, (0.0, 0.0), 1.0)
    assert not found.miou.separable
    assert found.verdict == (
        "A - B = +0.00 mIoU, 95 % interval 0.00 to 0.00, p = 1.0000 (permutation over images): not separable at 95 %"
    )
    for fold in found.folds.values():
        assert (fold.miou.difference, fold.miou.p) == (0, 1)
        assert {(said.difference, said.ci95) for said in fold.classes.values()} == {(0.0, (0.0, 0.0))}


def test_two_models_that_were_run(small: Benchmark, tmp_path: Path) -> None:
    """What is said of A and B is what their records say, and the interval is a subtraction of their replicates."""
    records = [fsbench.evaluate(m, small, out=tmp_path, shots=0, threads=1) for m in (Bright(), "center")]
    found = compare(*(tmp_path / record.folder() for record in records))
    assert found.miou is not None
    assert (found.miou.a, found.miou.b) == (records[0].miou, records[1].miou)
    kept = [pq.read_table(tmp_path / r.folder() / "bootstrap.parquet")["miou"].to_numpy() for r in records]
    assert found.miou.ci95 == tuple(np.percentile(kept[0] - kept[1], (2.5, 97.5)).tolist())
    assert found.miou.separable
    assert found.verdict.endswith("p = 0.0001 (permutation over images)")
    for fold, said in found.folds.items():
        assert [said.miou.a, said.miou.b] == [record.folds[fold].miou for record in records]
        for key, of_class in said.classes.items():
            assert [of_class.a, of_class.b] == [record.folds[fold].classes[key].iou for record in records]


@pytest.mark.parametrize("protocol", ["fsbench-multi-v1", "fsbench-general-v1"])
def test_classes_asked_together(small: Benchmark, tmp_path: Path, protocol: str) -> None:
    models = (Noise(), Noise("cautious", 1.0))
    records = [fsbench.evaluate(m, small, protocol=protocol, out=tmp_path, threads=1) for m in models]
    found = compare(*(tmp_path / record.folder() for record in records))
    assert found.miou is not None
    assert (found.miou.a, found.miou.b) == (records[0].miou, records[1].miou)
    assert found.images == 80
    assert list(found.folds["1"].classes) == ["thing_02", "thing_03"]
    assert found.miou.p is not None
    assert found.miou.p < 1


def test_folds_that_one_record_lacks(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """What both have is compared; where the two together hold all folds, everything but the mean is as it was."""
    a, b = pair
    whole = compare(a, b)
    part = write_stored(tmp_path / "part", answered(made_up(1), 2), CLASSES, run=["0"])
    found = compare(a, part)
    assert list(found.folds) == ["0"]
    assert found.miou is None
    assert found.remarks == ("no benchmark mean: fold 1 is not in both records.",)
    own, all_of_it = found.folds["0"].miou, whole.folds["0"].miou
    assert found.folds["0"].classes == whole.folds["0"].classes
    assert (own.a, own.b) == (all_of_it.a, all_of_it.b)
    assert found.verdict.startswith(f"A - B = {100 * (own.difference or 0):+.2f} mIoU in fold 0, 95 % interval")
    only = write_stored(tmp_path / "only", made_up(1), CLASSES, run=["0"])
    without = compare(only, part)
    assert "replicates were taken from the files and classes have no interval" in without.remarks[1]
    assert {said.ci95 for said in without.folds["0"].classes.values()} == {None}
    assert without.folds["0"].miou.p == own.p
    other = write_stored(tmp_path / "other", made_up(1), CLASSES, run=["1"])
    with pytest.raises(FsbenchError, match=r"has fold 1, .* has fold 0: compare records that share a fold"):
        compare(only, other)


def test_all_that_differs_is_named_in_one_line(copies: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = copies
    other = write_stored(tmp_path / "seed", made_up(1), CLASSES, seed=1)
    with pytest.raises(
        FsbenchError, match=r"they differ in seed \(0 and 1\), manifests_sha256 \(fold 0: \w{8}, fold 1"
    ):
        compare(a, other)

    def change(said: Any) -> None:
        said["shots"], said["modified"] = 5, ["limit=8"]
        said["benchmark"]["masks_sha256"], said["benchmark"]["partition"] = "0" * 64, "stripes"

    altered(b, change)
    with pytest.raises(FsbenchError) as refused:
        compare(a, b)
    said = str(refused.value)
    assert "\n" not in said
    assert "benchmark.partition (blocks and stripes), benchmark.masks_sha256 (" in said
    assert "modified (nothing and limit=8), shots (0 and 5): compare records of one benchmark" in said


def test_counts_of_other_masks_or_episodes(copies: tuple[Path, Path], tmp_path: Path) -> None:
    a, _ = copies
    asked = answered(made_up(1), 2)
    for change in (lambda e: (*e[:5], e[5] + 1), lambda e: (f"x{e[0]}", *e[1:])):
        altered_asked = {fold: [change(e) if n == 2 else e for n, e in enumerate(of)] for fold, of in asked.items()}
        forged = write_stored(tmp_path / "forged", altered_asked, CLASSES)
        manifests = read_record(a).manifests_sha256

        def same_manifests(said: Any, manifests: dict[str, str] = manifests) -> None:
            said["manifests_sha256"] = manifests
            for fold, digest in manifests.items():
                said["folds"][fold]["manifest_sha256"] = digest

        altered(forged, same_manifests)
        with pytest.raises(
            FsbenchError, match="fold 0 has other episodes, or other true or valid pixels, than"
        ) as said:
            compare(a, forged)
        assert "\n" not in str(said.value)


def test_replicates_that_are_not_the_counts(copies: tuple[Path, Path]) -> None:
    a, b = copies
    path = b.parent / "bootstrap.parquet"
    table = pq.read_table(path)
    moved = {name: table[name].to_numpy().copy() for name in table.column_names}
    moved["miou_fold1"][17] = np.nextafter(moved["miou_fold1"][17], 1)
    pq.write_table(pa.table(moved), path)
    with pytest.raises(FsbenchError, match=r"bootstrap.parquet: fold 1 has other replicates than follow from the cou"):
        compare(a, b)
    for broken, message in (
        (table.slice(0, 9999), "9999 replicates, expected 10000"),
        (table.drop_columns(["miou_fold0"]), "miou_fold0"),
        (pa.table({name: ["x"] * 10_000 for name in table.column_names}), "columns are miou_fold0 string"),
    ):
        pq.write_table(broken, path)
        with pytest.raises(FsbenchError, match=rf"bootstrap.parquet: cannot be read as replicates \(.*{message}"):
            compare(a, b)
    path.unlink()
    with pytest.raises(FsbenchError, match=r"bootstrap.parquet: cannot be read as replicates"):
        compare(a, b)


def test_accepted_differences_are_remarked_on(copies: tuple[Path, Path]) -> None:
    a, b = copies

    def change(said: Any) -> None:
        said["benchmark"]["sources_sha256"] = "0" * 64
        said["model"]["contaminated"] = True

    altered(b, change)
    assert compare(a, b).remarks == (
        "the photographs' files differ (re-encoded copies?); lists and masks are equal.",
        "B was trained on classes of the tested folds (contaminated).",
    )


@pytest.mark.parametrize(
    ("ci95", "p", "separable"),
    [((0.1, 0.2), 0.05, True), ((0.1, 0.2), 0.06, False), ((-0.1, 0.2), 0.01, False), (None, 0.01, True)],
)
def test_separable_takes_both(ci95: tuple[float, float] | None, p: float, separable: bool) -> None:
    assert Difference(0.5, 0.4, 0.1, ci95, p).separable is separable


def test_the_command(pair: tuple[Path, Path]) -> None:
    found: Comparison = compare(*pair)
    assert found.miou is not None
    lines = command("compare", *pair).out.splitlines()
    assert lines[-1] == found.verdict

    def cells(name: str) -> list[str]:
        return next(line for line in lines if line.strip().startswith(name)).split()

    assert f"{100 * (found.miou.difference or 0):+.2f}" in cells("mean")
    assert cells("mean")[-1] == f"{found.miou.p:.4f}"
    for fold, of_fold in found.folds.items():
        for key, of_class in of_fold.classes.items():
            assert cells(key)[1:3] == [fold, "-" if of_class.a is None else f"{100 * of_class.a:.2f}"]
    as_json = json.loads(command("compare", *pair, "--json").out)
    assert as_json.pop("verdict") == found.verdict
    assert as_json == json.loads(json.dumps(asdict(found)))


@pytest.mark.long
def test_a_pair_in_the_size_of_coco(tmp_path: Path) -> None:
    """82,573 episodes of 80 classes on some 40,000 images: seconds, not minutes (run with -s to see them)."""
    source = np.random.RandomState(0)
    episodes = {0: 35783, 1: 17912, 2: 14563, 3: 14315}
    asked: dict[str, list[Episode]] = {}
    for fold, number in episodes.items():
        places = source.choice(40_137 * 20, number, replace=False)
        truth = source.randint(1, 100_000, number)
        asked[str(fold)] = [
            (f"val2014/COCO_val2014_{p // 20:012d}", 4 * int(p % 20) + fold, 0, 0, int(t), 300_000)
            for p, t in zip(places.tolist(), truth.tolist(), strict=True)
        ]
    classes = {str(fold): tuple(range(fold, 80, 4)) for fold in episodes}
    a, b = (
        write_stored(tmp_path / name, answered(asked, seed), classes, model=name)
        for name, seed in (("first", 1), ("second", 2))
    )
    began = time.perf_counter()
    found = compare(a, b)
    seconds = time.perf_counter() - began
    print(f"\n{sum(map(len, asked.values()))} episodes, {found.images} images: {seconds:.1f} s. {found.verdict}")
    assert found.miou is not None
    assert found.miou.p is not None
    assert seconds < 120

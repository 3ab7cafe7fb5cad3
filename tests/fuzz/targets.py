"""Every file that fsbench reads, in a folder of small ones: which file, and what is read from it.

Functions like those in ``MAKERS`` write whole files into a folder and return a ``Target`` for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.io
from PIL import Image
from pycocotools import mask as coco

from fsbench.benchmarks.name_files import check_folder_name, read_names
from fsbench.benchmarks.own.classes import read_classes, read_folds
from fsbench.engine.answers import Asked, PredictionAnswers
from fsbench.engine.prediction_files import begin_fold, fold_folder, prediction_file, write_card, write_prediction
from fsbench.episodes.draws import draw
from fsbench.episodes.protocols import PROTOCOLS
from fsbench.index.benchmark import Benchmark, Sample, open_benchmark, write_benchmark
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.index.rle_masks import MaskRow, rows_digest
from fsbench.io.files import sha256_file
from fsbench.io.images import read_grey, read_image, read_indices, read_photograph
from fsbench.io.label_maps import read_label_areas
from fsbench.models.contract import ModelCard
from fsbench.records.counts import Confused, CountLog, DoneBatch, Row
from fsbench.records.score_stats import ScoreStats
from fsbench.results.read_back import read_checked, read_replicates
from tests.fsbench.results.saved_records import write_stored

SIZE = (20, 28)
CLASSES = 4
KINDS = ("voc-label-map", "label-map", "grey-128", "rle")


class Target(NamedTuple):
    """A file, and a function that reads it and returns what must not change.

    ``is_json``: whether JSON values are edited as well. ``fresh``: nothing is known of the file yet, as of a photograph
    at a build, so that other bytes may give something else, but never an error that is not one line.
    """

    name: str
    file: Path
    read: Callable[[], object]
    is_json: bool = False
    fresh: bool = False


def digest(pixels: npt.NDArray[Any]) -> str:
    return hashlib.sha256(
        f"{pixels.shape} {pixels.dtype}".encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()


def counts(benchmark: Benchmark, sample: str) -> tuple[int, ...]:
    """The counts of a model that says foreground where a photograph is brighter than its mean, for class 0."""
    grey = benchmark.image(sample).mean(axis=2)
    truth = benchmark.truth(sample, 0)
    predicted, valid = grey > grey.mean(), truth != 255
    counted = (predicted & (truth == 1), predicted & valid, truth == 1, valid)
    return tuple(int(np.count_nonzero(pixels)) for pixels in counted)


def everything(folder: Path, samples: Sequence[str]) -> object:
    """What an evaluation takes from a benchmark folder, opened anew: names, questions, digests, and counts."""
    benchmark = open_benchmark(folder)
    lists = benchmark.lists
    asked = [draw(lists, fold, PROTOCOLS["fsbench-v1"], 1, 0).sha256 for fold in lists.folds]
    said = (benchmark.title, benchmark.partial, benchmark.counts, benchmark.digests, benchmark.mask_format)
    return said, lists, benchmark.areas, asked, benchmark.samples, [counts(benchmark, sample) for sample in samples]


def label_map(number: int) -> npt.NDArray[np.uint8]:
    """Every class, and void, in blocks."""
    labels = np.random.RandomState(number).permutation([*range(CLASSES + 1), 255, 0, 1, 2, 3, 4, 0]).reshape(3, 4)
    return np.kron(labels, np.ones((7, 7)))[: SIZE[0], : SIZE[1]].astype(np.uint8)


def write_mask(raw: Path, number: int, kind: str) -> Path:
    """A mask file of ``kind``; every other one of VOC's is SBD's ``.mat``."""
    labels, path = label_map(number), raw / f"m{number}.png"
    if kind == "voc-label-map" and number % 2:
        path = path.with_suffix(".mat")
        content = {"Boundaries": np.zeros((20, 1), dtype=object), "Segmentation": labels}
        scipy.io.savemat(path, {"GTcls": content}, do_compression=True)
        return path
    if kind == "grey-128":
        labels = np.where(labels == 1, 255, 0).astype(np.uint8)
    picture = Image.fromarray(labels)
    if kind == "voc-label-map":
        picture.putpalette(bytes(range(256)) * 3)
    picture.save(path)
    return path


def small_benchmark(folder: Path, kind: str) -> Benchmark:
    """Four photographs, JPEG and PNG, with masks of ``kind`` in which every one of four classes stands."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    samples, rows = [], []
    for number in range(4):
        photograph = raw / f"p{number}.{'png' if number % 2 else 'jpg'}"
        noise = np.random.RandomState(number).randint(0, 256, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(noise).save(photograph)
        mask = write_mask(raw, number, kind)
        files = [f"root:{path.name}" for path in (photograph, mask)]
        samples.append(Sample(f"p{number}", "val", *SIZE, *files, sha256_file(photograph), sha256_file(mask)))
        labels = label_map(number)
        for class_id in range(CLASSES):
            rle, void = (coco.encode(np.asfortranarray(labels == v))["counts"] for v in (class_id + 1, 255))
            rows.append(MaskRow(f"p{number}", class_id, *SIZE, int((labels == class_id + 1).sum()), rle, void))
    folds = {"0": (0, 1), "1": (2, 3)}
    pairs = {fold: tuple((s.id, c) for s in samples for c in ids) for fold, ids in folds.items()}
    lists = FoldLists(
        name=f"small-{kind}",
        title="Small",
        partition="blocks",
        mask_rule=kind,
        classes=tuple(ClassName(c, f"thing_{c}", f"thing {c}") for c in range(CLASSES)),
        folds=folds,
        val=pairs,
        train={"all": pairs},
    )
    return write_benchmark(
        folder / "index",
        lists=lists,
        roots={"root": raw},
        mask_format=kind,
        samples=samples,
        area={(row.sample, row.class_id): row.area for row in rows},
        masks_digest=rows_digest(rows),
        partial=False,
        masks=rows if kind == "rle" else None,
    )


def of_benchmarks(folder: Path) -> list[Target]:
    """A built benchmark of each mask format: its index, its tables, its photographs and its masks."""
    found = []
    for kind in KINDS:
        benchmark = small_benchmark(folder / kind, kind)
        index, raw = benchmark.folder, benchmark.roots["root"]
        names = ["benchmark.json", "samples.parquet", "pairs.parquet"] + ["masks.arrow"] * (kind == "rle")
        for name in names:
            read = lambda index=index: everything(index, ["p0"])  # noqa: E731
            found.append(Target(f"{kind} {name}", index / name, read, is_json=name.endswith(".json")))
        for sample in ("p0", "p1"):
            entry = benchmark.samples[sample]
            files = [entry.image] if kind == "rle" else [entry.image, entry.mask]
            for file in files:
                path = raw / str(file).removeprefix("root:")
                read = lambda benchmark=benchmark, sample=sample: counts(benchmark, sample)  # noqa: E731
                found.append(Target(f"{kind} {path.name}", path, read))
    return found


def of_builds(folder: Path) -> list[Target]:
    """What a build reads: photographs, masks of each kind, and the small text files that users write."""
    raw = small_benchmark(folder / "raw", "voc-label-map").roots["root"]
    grey, own = write_mask(_made(folder / "grey"), 0, "grey-128"), write_mask(_made(folder / "own"), 0, "label-map")
    classes, folds, keys = folder / "classes.txt", folder / "folds.txt", folder / "keys.txt"
    classes.write_text("cat\tgrey cat\ndog\nréd_bus\n", encoding="utf-8")
    folds.write_text("cat\ta\ndog\tb\nréd_bus\ta\n", encoding="utf-8")
    keys.write_text("abacus\nbus\nab's_wheel\n", encoding="utf-8")
    named = read_classes(classes)
    return [
        Target("jpeg at a build", raw / "p0.jpg", lambda: read_photograph(raw / "p0.jpg"), fresh=True),
        Target("png at a build", raw / "p1.png", lambda: digest(read_image(raw / "p1.png"))),
        Target("VOC mask at a build", raw / "m0.png", lambda: digest(read_label_areas(raw / "m0.png")[0])),
        Target("SBD mask at a build", raw / "m1.mat", lambda: digest(read_label_areas(raw / "m1.mat")[0])),
        Target("FSS mask at a build", grey, lambda: digest(read_grey(grey))),
        Target("own mask at a build", own, lambda: digest(read_indices(own))),
        Target("class file", classes, lambda: read_classes(classes), fresh=True),
        Target("fold file", folds, lambda: read_folds(folds, named), fresh=True),
        Target("class names", keys, lambda: read_names(keys, "class file", check_folder_name), fresh=True),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def of_predictions(folder: Path) -> list[Target]:
    """A folder of predictions: a mask of one class, labels of several, the manifest's digest, and the card."""
    benchmark = small_benchmark(folder / "benchmark", "label-map")
    manifest = draw(benchmark.lists, "0", PROTOCOLS["fsbench-v1"], 0, 0)
    place = folder / "predictions"
    begin_fold(fold_folder(place, "0"), manifest.sha256, resume=False)
    for number in range(len(manifest.questions)):
        written = label_map(number) == 1
        write_prediction(prediction_file(fold_folder(place, "0"), number), written, 1)
    labels = np.minimum(label_map(9), CLASSES)
    together = _made(folder / "together") / "fold0"
    write_prediction(prediction_file(_made(together), 0), labels, CLASSES)
    write_card(place, ModelCard(name="made", prompts="none", description="made up"))
    sizes = {sample.id: SIZE for sample in benchmark.samples.values()}

    def one_class() -> object:
        answers = PredictionAnswers(place, fold="0")
        answers.check(manifest, manifest, sizes, None)
        assert answers.card.name
        return [digest(planes.numpy()) for planes in answers.answer([Asked(n, 1) for n in range(8)], ())]

    def several() -> object:
        return digest(PredictionAnswers(folder / "together", fold="0").answer([Asked(0, CLASSES)], ())[0].numpy())

    of_fold = fold_folder(place, "0")
    return [
        Target("prediction of one class", of_fold / "000000.png", one_class),
        Target("prediction of several classes", together / "000000.png", several),
        Target("manifest.sha256", of_fold / "manifest.sha256", one_class),
        Target("card.json", place / "card.json", one_class, is_json=True),
    ]


def of_records(folder: Path) -> list[Target]:
    """A record with its counts and replicates, read with proof."""
    random = np.random.RandomState(7)
    asked = {
        fold: [(f"i{n}", c, int(random.randint(0, 50)), 50, 70, 200) for n in range(6) for c in ids]
        for fold, ids in {"0": (0, 1), "1": (2, 3)}.items()
    }
    path = write_stored(folder, asked, {"0": (0, 1), "1": (2, 3)})

    def proved() -> object:
        stored = read_checked(path)
        record = stored.record
        folds = {
            fold: (said.miou, said.fb_iou, said.ci95, {key: (c.iou, c.episodes) for key, c in said.classes.items()})
            for fold, said in record.folds.items()
        }
        drawn = {name: digest(values) for name, values in read_replicates(stored).items()}
        return record.miou, record.fb_iou, record.ci95, folds, stored.rows, drawn

    return [
        Target("record.json", path, proved, is_json=True),
        Target("counts.parquet", folder / "counts.parquet", proved),
        Target("bootstrap.parquet", folder / "bootstrap.parquet", proved),
    ]


def of_logs(folder: Path) -> list[Target]:
    """The log of a killed run: a batch that is read from it is the one that was counted, all others are asked again."""
    path, run = folder / "fold0.partial.jsonl", {"fold": "0", "manifest": "0" * 64}
    rows = [Row("0", number, f"i{number}", f"i{number}", 0, number, 5, 6, 100) for number in range(6)]
    batches = {row.number: DoneBatch([row], 0.25, 0.125, [Confused(0, -1, 3)], ScoreStats()) for row in rows}
    with CountLog(path, run) as log:
        for number, done in batches.items():
            log.append(number, done)

    def resumed() -> object:
        with CountLog(path, run) as log:
            return {number: log.done.get(number, done) for number, done in batches.items()}, set(log.done) - {*batches}

    return [Target("partial log", path, resumed)]


MAKERS: dict[str, Callable[[Path], list[Target]]] = {
    "benchmarks": of_benchmarks,
    "builds": of_builds,
    "predictions": of_predictions,
    "records": of_records,
    "logs": of_logs,
}
"""Name of a folder -> what writes files into it and says how they are read."""


def make_targets(folder: Path) -> list[Target]:
    """All targets, their files below ``folder``."""
    return [target for name, make in MAKERS.items() for target in make(_made(folder / name))]

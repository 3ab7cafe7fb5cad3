"""The data a model may be trained on when a fold is tested, and the only access to it.

A trainer reads photographs and masks through ``TrainingData``, which refuses everything else: val images of the tested
fold (also copies under another name), novel classes and their masks. Pixels of novel classes in training photographs
are background.

Some photographs of training classes are held out to choose weights: those with a low rank by SHA-256, the same ones for
every seed and model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.index.fold_lists import ClassName, Pair
from fsbench.io.files import sha256_text
from fsbench.models.contract import TrainingCard, YesNo
from fsbench.training.randomness import fraction

HELD_OUT = 0.1

COMPLETE = {"folder": "all", "pascal-5i": "fusioner", "toy": "all"}
"""Builder -> the train lists that name every class of a photograph, so that they show where novel classes are.

PASCAL-5i: Fusioner's lists are complete, HSNet's are not. COCO-20i's published lists leave out small objects, and
FSS-1000 labels one class a photograph.
"""


@dataclass(frozen=True)
class TrainingData:
    """Pairs (sample, class id) in list order: ``train`` to learn from, ``held_out`` to choose weights by.

    ``classes``: the training classes, by id. ``novel_images_dropped``: whether no photograph shows a novel class
    (``unknown`` where the lists don't show it). ``refused``: listed photographs left out because the tested fold uses
    them.
    """

    _benchmark: Benchmark
    fold: str
    train_list: str
    classes: tuple[ClassName, ...]
    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    novel_images_dropped: YesNo
    refused: int

    @property
    def benchmark(self) -> str:
        """The benchmark's title, including whether it is partial."""
        return self._benchmark.title

    @property
    def benchmark_name(self) -> str:
        """The benchmark's name, ``pascal-5i``."""
        return self._benchmark.lists.name

    @property
    def tested_classes(self) -> tuple[ClassName, ...]:
        """The classes of the tested fold: only their names may be used."""
        lists = self._benchmark.lists
        return tuple(c for c in lists.classes if c.id in lists.folds[self.fold])

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the pairs and the hashes of their photographs: what was trained on."""
        lines = [f"{self._benchmark.digests.masks} {self.train_list}"]
        for name, pairs in (("train", self.train), ("held-out", self.held_out)):
            lines += [f"{name} {sample} {class_id} {self.image_sha256(sample)}" for sample, class_id in pairs]
        return sha256_text("".join(f"{line}\n" for line in lines))

    @cached_property
    def _pairs(self) -> frozenset[Pair]:
        return frozenset((*self.train, *self.held_out))

    @cached_property
    def _samples(self) -> frozenset[str]:
        return frozenset(sample for sample, _ in self._pairs)

    def image(self, sample: str) -> npt.NDArray[np.uint8]:
        """The photograph, uint8 H x W x 3 RGB; raises FsbenchError for one that is not in the data, or is broken."""
        return self._benchmark.image(self._trained_on(sample))

    def truth(self, sample: str, class_id: int) -> npt.NDArray[np.uint8]:
        """The class's mask, uint8 H x W in {0, 1, 255 = void}; raises FsbenchError for a pair not in the data."""
        if (sample, class_id) not in self._pairs:
            raise self._error(f"class {class_id} of sample {sample!r}")
        return self._benchmark.truth(sample, class_id)

    def image_sha256(self, sample: str) -> str:
        """SHA-256 (hex) of the photograph's file."""
        digest = self._benchmark.samples[self._trained_on(sample)].image_sha256
        assert digest is not None  # samples that are present have one
        return digest

    def size(self, sample: str) -> tuple[int, int]:
        """Height and width of the photograph, without reading it."""
        entry = self._benchmark.samples[self._trained_on(sample)]
        return entry.height, entry.width

    def class_named(self, class_id: int) -> ClassName:
        """A training class by its id; raises FsbenchError for any other."""
        found = next((c for c in self.classes if c.id == class_id), None)
        if found is None:
            raise self._error(f"class {class_id}")
        return found

    def training_card(self) -> TrainingCard:
        """The training card of a model trained on this data; what its frozen parts saw stays ``unknown``."""
        photographs = len({sample for sample, _ in self.train})
        return TrainingCard(
            training_classes=tuple(c.name for c in self.classes),
            training_data=f"{self.benchmark}, train lists {self.train_list}: {len(self.train)} pairs of "
            f"{photographs} photographs, {len(self.held_out)} pairs held out",
            test_images_seen="no",
            novel_masks_seen="no",
            novel_boxes_seen="no",
            novel_images_dropped=self.novel_images_dropped,
        )

    def _trained_on(self, sample: str) -> str:
        if sample not in self._samples:
            raise self._error(f"sample {sample!r}")
        return sample

    def _error(self, what: str) -> FsbenchError:
        return FsbenchError(
            f"{what} is not training data when fold {self.fold} of {self.benchmark} is tested: use .train"
        )


def training_data(
    benchmark: Benchmark,
    fold: str,
    *,
    train_list: str | None = None,
    drop_novel_images: bool = False,
    held_out: float = HELD_OUT,
) -> TrainingData:
    """The available training data when ``fold`` is tested.

    ``train_list``: a variant of the benchmark's train lists, by default its first; ``held_out``: the share of
    photographs held out. Raises FsbenchError for an unknown fold or list, a share that leaves one side empty, and
    ``drop_novel_images`` where the lists don't show novel classes.
    """
    lists = benchmark.lists
    if not lists.train:
        raise FsbenchError(f"{benchmark.folder}: {lists.name} has no train lists: train on another benchmark")
    train_list = train_list or next(iter(lists.train))
    pairs = lists.training(fold, train_list)
    novel = frozenset(lists.folds[fold])
    pairs = tuple(pair for pair in pairs if pair[0] in benchmark.present and pair[1] not in novel)
    tested = _tested(benchmark, fold)
    allowed = tuple(pair for pair in pairs if pair[0] not in tested)
    refused = len({sample for sample, _ in pairs} & tested)
    complete = lists.train.get(COMPLETE.get(benchmark.builder, ""))
    showing = None if complete is None else {sample for sample, _ in complete[fold]}
    if drop_novel_images:
        if showing is None:
            raise FsbenchError(
                f"--drop-novel-images: the lists of {lists.name} do not show where every class is: leave it out"
            )
        allowed = tuple(pair for pair in allowed if pair[0] not in showing)
    out = {sample for sample, _ in allowed if fraction("fsbench-held-out-v1", sample) < held_out}
    train, validation = tuple(p for p in allowed if p[0] not in out), tuple(p for p in allowed if p[0] in out)
    if not (train and validation):
        raise FsbenchError(
            f"{benchmark.folder}: of {len(allowed)} available training pairs {len(validation)} would be held out "
            f"(--held-out {held_out}): both sides need some: choose another share, or build with more data"
        )
    dropped: YesNo = "unknown" if showing is None else "no" if any(s in showing for s, _ in allowed) else "yes"
    trained = {class_id for _, class_id in allowed}
    classes = tuple(c for c in lists.classes if c.id in trained)
    return TrainingData(benchmark, fold, train_list, classes, train, validation, dropped, refused)


def _tested(benchmark: Benchmark, fold: str) -> frozenset[str]:
    """The queries and supports of the tested fold, and samples with the same bytes."""
    tested = {sample for sample, _ in benchmark.lists.val[fold]}
    scenes = benchmark.lists.scenes
    if scenes is not None:
        tested |= {sample for of_scene in (*scenes.tiles.values(), *scenes.supports.values()) for sample in of_scene}
    samples = benchmark.samples
    digests = {samples[s].image_sha256 for s in tested if s in samples} - {None}
    return frozenset(tested | {s.id for s in samples.values() if s.image_sha256 in digests})

"""With a local benchmark: true pixels from its own masks, and predictions counted again, by the engine itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fsbench.engine.answers import AnswerSource, Asked, Evidence, PredictionAnswers
from fsbench.engine.fold_run import FoldResult, FoldRun, run_fold
from fsbench.engine.reading import Reader
from fsbench.episodes.manifest import Manifest
from fsbench.errors import FsbenchError
from fsbench.io.resize import Size
from fsbench.models.contract import Episode, ModelCard
from fsbench.parallel import processors
from fsbench.progress import progress
from fsbench.records.counts import ABSENT, CountLog, DoneBatch, Row
from fsbench.scoring.scores import confused_of
from leaderboard.checking.submission import NotCheckableError, Submission

BATCH = 8
LARGEST_PREDICTION = 16 * 2**20


class _Log(CountLog):
    """A log that is never written: what is counted here is compared and thrown away."""

    def __init__(self) -> None:
        super().__init__(Path("none"), {})

    def append(self, batch: int, done: DoneBatch) -> None:
        self.done[batch] = done


@dataclass(frozen=True)
class _Nothing:
    """Answers every question with nothing predicted; ``sizes``: of each question's answer, by number."""

    sizes: Sequence[Size]
    card: ModelCard = field(default_factory=lambda: ModelCard(name="nothing", prompts="none"))
    evidence: Evidence = "counts"
    needs_photographs: bool = False

    def prepare(self, device: str) -> None:
        """Nothing to prepare."""

    def answer(self, asked: Sequence[Asked], episodes: Sequence[Episode]) -> Sequence[object]:
        import torch

        return [torch.from_numpy(np.zeros((a.classes, *self.sizes[a.number]), np.bool_)) for a in asked]


def check_truths(sub: Submission) -> Iterator[str]:
    """True and valid pixels of every episode are those of the benchmark's own masks."""
    sub.need("counts", "episodes")
    benchmark, side = sub.benchmark, sub.protocol.size
    for fold, rows in sub.rows.items():
        manifest = sub.manifests[fold]
        samples = [benchmark.samples[question.query] for question in manifest.questions]
        sizes = [(s.height, s.width) if side is None else (side, side) for s in samples]
        counted = _count(sub, manifest, _Nothing(sizes), f"masks of fold {fold}").rows
        expected = {(row.number, row.class_id): row for row in counted if row.truth or row.scene or sub.one_class}
        valid = {row.number: row.valid for row in counted}
        for row in rows:
            true = expected.pop((row.number, row.class_id), None)
            where = f"fold {fold} episode {row.number} ({row.query}, class {row.class_id})"
            pixels = (0, valid[row.number]) if true is None else (true.truth, true.valid)
            if (row.truth, row.valid) != pixels:
                there = f"{pixels[0]} of {pixels[1]} in its mask"
                yield f"{where}: {row.truth} true of {row.valid} valid pixels, but {there}"
            elif row.scene is not None and true is not None and true.scene is not None:
                at = true.scene.position
                if (row.scene.position, row.scene.areas) != (at, true.scene.areas):
                    there = "absent" if at == ABSENT else f"at position {at}"
                    yield f"{where}: its class is {there}, or objects have other areas than in the scene's mask"
        for number, class_id in expected:
            yield f"fold {fold} episode {number}: class {class_id} is true somewhere, but has no counts"


def check_predictions(sub: Submission) -> Iterator[str]:
    """Submitted predictions give the counts, row by row; raises FsbenchError where they cannot be counted."""
    folder = sub.desk.predictions
    if folder is None:
        raise NotCheckableError("none were given (--predictions)")
    sub.need("counts", "episodes")
    benchmark, side, record = sub.benchmark, sub.protocol.size, sub.record
    manifests, drawn = sub.manifests, sub.drawn()
    _check_files(folder)
    given = PredictionAnswers(folder)
    if record.evidence == "predictions" and record.model.weights_sha256 not in (None, given.card.weights_sha256):
        yield f"{folder}: are not the predictions that the record names (its digest of them is another)"
    sizes = {s.id: (s.height, s.width) for s in benchmark.samples.values()}
    for fold, rows in sub.rows.items():
        of_fold = PredictionAnswers(folder, fold=fold)
        of_fold.check(manifests[fold], drawn[fold], sizes, None if side is None else (side, side))
        result = _count(sub, manifests[fold], of_fold, f"predictions of fold {fold}")
        if result.rows != rows:
            yield _first_difference(fold, rows, result.rows)
        elif result.confused != sorted(confused_of(record.folds[fold])):
            yield f"fold {fold}: the predictions give another confusion than the record's"


def _check_files(folder: Path) -> None:
    """Raise FsbenchError unless all below ``folder`` are folders and regular files of a size that masks have."""
    for parent, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(parent, name)
            said = path.lstat()
            if not (stat.S_ISDIR(said.st_mode) or stat.S_ISREG(said.st_mode)):
                raise FsbenchError(f"{path}: is no regular file: put the file itself there")
            if said.st_size > LARGEST_PREDICTION:
                raise FsbenchError(f"{path}: is larger than {LARGEST_PREDICTION >> 20} MiB, which no mask is")


def _first_difference(fold: str, said: Sequence[Row], counted: Sequence[Row]) -> str:
    here = {(row.number, row.class_id): row for row in counted}
    there = {(row.number, row.class_id): row for row in said}
    differing = sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
    if not differing:
        return f"fold {fold}: the predictions give the same counts in another order"
    episodes = len({number for number, _ in differing})
    number, class_id = differing[0]
    texts = ["no row" if r is None else r.line() for r in (there.get(differing[0]), here.get(differing[0]))]
    return (
        f"fold {fold}: {episodes} episodes have other counts than the predictions give, first episode {number} (class "
        f"{class_id}): {texts[0][:150]}, counted again {texts[1][:150]}"
    )


def _count(sub: Submission, manifest: Manifest, answers: AnswerSource, what: str) -> FoldResult:
    run = FoldRun(
        reader=Reader(sub.benchmark),
        protocol=sub.protocol,
        manifest=manifest,
        answers=answers,
        batch_size=BATCH,
        workers=min(8, processors()),
    )
    with progress(what, len(manifest.questions)) as advance:
        return run_fold(run, _Log(), advance)

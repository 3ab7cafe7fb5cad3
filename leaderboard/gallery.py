"""A gallery: some episodes of a record whose masks were kept, as pictures, from the best answer to the worst.

Masks are untrusted: they are shown only if they belong to the record's manifest and, counted again, give the counts
that the record was scored from. Which episodes are shown depends on the counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from math import fsum
from pathlib import Path

import numpy as np

from fsbench.engine.answers import PredictionAnswers
from fsbench.engine.batches import Batch
from fsbench.engine.fold_run import FoldRun, answer_batch, count_batch
from fsbench.engine.prediction_files import MANIFEST, check_mask_size, fold_folder, prediction_file, read_digest
from fsbench.engine.reading import Reader
from fsbench.errors import CheckFailedError, FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.io.palette import colour_of
from fsbench.io.untrusted import plain
from fsbench.pictures.painted_labels import fitted, paint_answer
from fsbench.records.counts import BACKGROUND, Row
from fsbench.results.read_back import CheckedRecord, read_checked
from leaderboard.support_sizes import redraw

BOX = 320, 320
"""Height and width that a picture is fitted into, pixels."""
ENLARGED = 4.0
QUALITY = 75
FOLDER = "predictions"


@dataclass(frozen=True)
class Pick:
    """An episode: its place in the record, its rows of counts, and its IoU (mean over its classes, if several)."""

    fold: str
    number: int
    iou: float
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Picture:
    """An episode as a picture: ``image`` is a JPEG of ``width`` x ``height`` pixels.

    ``classes``: key and colour (``#rrggbb``) of the classes that are true or answered in it, in the order asked.
    """

    fold: str
    number: int
    query: str
    classes: tuple[tuple[str, str], ...]
    iou: float
    image: bytes
    width: int
    height: int

    @property
    def path(self) -> str:
        """The path of the image in a site, named by its bytes."""
        return f"pictures/{sha256(self.image).hexdigest()[:20]}.jpg"


@dataclass(frozen=True)
class Gallery:
    """``pictures``: from the best to the worst; ``caption``: what they are and how they were selected."""

    pictures: tuple[Picture, ...]
    caption: str


def ranked(rows: Sequence[Row]) -> list[Pick]:
    """The episodes of ``rows`` that have an IoU, the best first, of equal ones in the record's order."""
    of_episode: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        of_episode.setdefault((row.fold, row.number), []).append(row)
    picks = []
    for (fold, number), of_one in of_episode.items():
        ious = [
            row.intersection / (row.predicted + row.truth - row.intersection)
            for row in of_one
            if row.class_id != BACKGROUND and not row.absent and row.predicted + row.truth > 0
        ]
        if ious:
            picks.append(Pick(fold, number, fsum(ious) / len(ious), tuple(of_one)))
    return sorted(picks, key=lambda pick: -pick.iou)


def spaced(picks: Sequence[Pick], n: int) -> Sequence[Pick]:
    """The best and the worst of ``picks`` and ``n - 2`` at equal distances of rank between them, the best first."""
    if len(picks) <= n:
        return picks
    if n < 2:
        return picks[len(picks) // 2 :][:n]
    return [picks[i * (len(picks) - 1) // (n - 1)] for i in range(n)]


def make_gallery(record: Path, benchmark: Benchmark, n: int = 12) -> Gallery:
    """Pictures of ``n`` episodes of the record in the folder ``record``, with the masks in its ``predictions``.

    Raises FsbenchError where no masks were kept, the benchmark is not the record's, or a mask cannot be read; and
    CheckFailedError where masks are of another manifest or do not give the record's counts.
    """
    stored = read_checked(record)
    recorded = stored.record.benchmark
    for what, was, is_now in (
        ("lists", recorded.lists_sha256, benchmark.digests.lists),
        ("masks", recorded.masks_sha256, benchmark.digests.masks),
    ):
        if was != is_now:
            raise FsbenchError(
                f"{benchmark.folder}: is not the benchmark of {stored.path} ({what} {is_now[:12]}…, the record's are "
                f"{was[:12]}…): give the one that it was made on"
            )
    folds = [fold for fold in stored.rows if (fold_folder(record / FOLDER, fold) / MANIFEST).is_file()]
    if not folds:
        raise FsbenchError(f"{record / FOLDER}: holds no predictions: evaluate with --save-predictions")
    picks = ranked([row for fold in folds for row in stored.rows[fold]])
    selected = spaced(picks, n)
    runs = {fold: _replayed(stored, benchmark, fold, record / FOLDER) for fold in folds}
    pictures = tuple(_picture(runs[pick.fold], record / FOLDER, pick) for pick in selected)
    return Gallery(pictures, _caption(stored, folds, len(pictures), len(picks)))


def _replayed(stored: CheckedRecord, benchmark: Benchmark, fold: str, folder: Path) -> FoldRun:
    """The fold as it was run, with the masks in ``folder`` as answers."""
    record = stored.record
    drawn = redraw(record, benchmark.lists, fold, benchmark)
    manifest = drawn.limited(record.limit)
    masks = fold_folder(folder, fold)
    for where, digest, expected in (
        (stored.path, record.folds[fold].manifest_sha256, manifest.sha256),
        (masks / MANIFEST, read_digest(masks), drawn.sha256),
    ):
        if digest != expected:
            raise CheckFailedError(
                f"{where}: is of manifest {plain(digest[:12]) or 'nothing'}… for fold {fold}, but the benchmark asks "
                f"{expected[:12]}…: the masks are not shown"
            )
    if record.folds[fold].asked != len(manifest.questions):
        raise CheckFailedError(
            f"{stored.path}: fold {fold} does not count the episodes of its manifest: evaluate again"
        )
    return FoldRun(Reader(benchmark), stored.protocol, manifest, PredictionAnswers(folder, fold=fold), 1, 1)


def _picture(run: FoldRun, folder: Path, pick: Pick) -> Picture:
    question = run.manifest.questions[pick.number]
    sample = run.benchmark.samples[question.query]
    own, square = (sample.height, sample.width), run.protocol.size
    path = prediction_file(fold_folder(folder, pick.fold), pick.number)
    check_mask_size(path, own, own if square is None else (square, square))
    batch = Batch(0, (pick.number,))
    answers, _ = answer_batch(run, batch, [])
    if count_batch(run, batch, answers).rows != list(pick.rows):
        raise CheckFailedError(
            f"{path}: counted again, it does not give the counts of the record: the masks are not shown"
        )
    answer = (answers[0][0] if run.one_class else answers[0]).astype(np.uint8)
    if run.one_class:
        truth = run.benchmark.support_mask(question.query, question.class_ids[0])
    else:
        truth = run.benchmark.labels(question.query, question.class_ids)
    size = fitted(*own, BOX, ENLARGED)
    painted = paint_answer(run.benchmark.image(question.query), answer, truth, size, several=not run.one_class)
    places = [p for p in range(len(question.class_ids)) if (answer == p + 1).any() or (truth == p + 1).any()]
    key_of = {c.id: c.key for c in run.benchmark.lists.classes}
    file = BytesIO()
    painted.save(file, format="JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return Picture(
        fold=pick.fold,
        number=pick.number,
        query=question.query,
        classes=tuple((key_of[question.class_ids[p]], "#{:02x}{:02x}{:02x}".format(*colour_of(p))) for p in places),
        iou=pick.iou,
        image=file.getvalue(),
        width=painted.width,
        height=painted.height,
    )


def _caption(stored: CheckedRecord, folds: Sequence[str], pictures: int, episodes: int) -> str:
    text = "Every episode, by IoU."
    if pictures < episodes:
        text = (
            f"{pictures} of {episodes} episodes, by IoU: the best, the worst, and those at equal distances of rank "
            "between them."
        )
    if stored.one_class:
        text += " Tinted: what was answered. Outlined in white: what is true."
    else:
        text += (
            " Each class has a colour: tinted where it was answered, outlined where it is true. The IoU is the mean "
            "over the classes that are true or answered there."
        )
    if stored.protocol.tiles is not None:
        text += " Episodes that ask for an absent class have no IoU and are not among them."
    if len(folds) < len(stored.rows):
        text += f" Masks were kept of {'fold' if len(folds) == 1 else 'folds'} {', '.join(folds)} alone."
    return f"{text} Each mask shown was counted again and gives the record's counts."

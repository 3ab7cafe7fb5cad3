"""Whether the counts are those of the record, and whether any masks in the world have such counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from fsbench.records.counts import BACKGROUND, Row, rows_digest
from fsbench.records.record import Confusion
from fsbench.scoring.scenes import fits
from leaderboard.checking.submission import Submission


def check_counts(sub: Submission) -> Iterator[str]:
    """``counts.parquet`` can be read and has the record's digest; raises FsbenchError where it cannot."""
    rows = sub.all_rows
    unknown_folds = sorted({row.fold for row in rows} - set(sub.record.folds))
    if unknown_folds:
        yield f"counts.parquet has rows of fold {unknown_folds[0][:40]!r}, which the record does not have"
    digest = rows_digest(rows)
    if digest != sub.record.counts_sha256:
        yield f"counts.parquet has digest {digest[:12]}…, but the record says {sub.record.counts_sha256[:12]}…"


def check_pixels(sub: Submission) -> Iterator[str]:
    """Intersection <= predicted, truth; union <= valid; what is true does not depend on the episode."""
    square = sub.protocol.size
    for fold, rows in sub.rows.items():
        known: dict[tuple[str, int, bool], tuple[int, tuple[int, int]]] = {}
        for row in rows:
            where = f"fold {fold} episode {row.number} ({row.query[:80]}, class {row.class_id})"
            inter, predicted, truth, valid = row[5:9]
            if not 0 <= inter <= min(predicted, truth):
                yield f"{where}: intersection {inter} of {predicted} predicted and {truth} true pixels"
            elif predicted + truth - inter > valid:
                yield f"{where}: union {predicted + truth - inter} of {valid} valid pixels"
            elif square is not None and valid > square**2:
                yield f"{where}: {valid} valid pixels, but {square} x {square} are compared"
            elif not fits(row, sub.protocol.tiles):
                yield f"{where}: no mask has these pixels per tile and object"
            if truth or not (valid == 0 or row.absent or not sub.one_class):
                first, pixels = known.setdefault((row.query, row.class_id, row.absent), (row.number, (truth, valid)))
                if pixels != (truth, valid):
                    other = f"{pixels[0]} of {pixels[1]} in episode {first}"
                    yield f"{where}: {truth} true of {valid} valid pixels, but {other}"
        if not sub.one_class:
            yield from _label_faults(fold, rows)


def _label_faults(fold: str, rows: Sequence[Row]) -> Iterator[str]:
    """Where classes are asked together, each valid pixel has one true and one predicted label."""
    of_episode: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        of_episode[row.number].append(row)
    for number, together in of_episode.items():
        valid = {row.valid for row in together}
        truth, predicted = sum(row.truth for row in together), sum(row.predicted for row in together)
        if valid != {truth} or valid != {predicted}:
            said = f"{truth} true and {predicted} predicted labels of {', '.join(map(str, sorted(valid)[:3]))}"
            yield f"fold {fold} episode {number}: {said} valid pixels"


def check_confusion(sub: Submission) -> Iterator[str]:
    """Where classes are asked together, rows and columns of the confusion sum to what the counts say."""
    sub.need("record")
    for fold, rows in sub.rows.items():
        if (confusion := sub.record.folds[fold].confusion) is not None:
            yield from _confusion_faults(fold, rows, confusion)


def _confusion_faults(fold: str, rows: Sequence[Row], confusion: Confusion) -> Iterator[str]:
    true, predicted, both = (dict.fromkeys(confusion.class_ids, 0) for _ in range(3))
    if list(confusion.class_ids) != sorted(confusion.class_ids) or BACKGROUND not in true:
        yield f"fold {fold}: confusion has other classes than the background and those asked, ascending"
        return
    for row in rows:
        if row.class_id not in true:
            yield f"fold {fold}: confusion lacks class {row.class_id}"
            return
        true[row.class_id] += row.truth
        predicted[row.class_id] += row.predicted
        both[row.class_id] += row.intersection
    columns = [sum(column) for column in zip(*confusion.pixels, strict=True)]
    for place, class_id in enumerate(confusion.class_ids):
        line = confusion.pixels[place]
        for what, said, counted in (
            ("true", sum(line), true[class_id]),
            ("predicted", columns[place], predicted[class_id]),
            ("right", line[place], both[class_id]),
        ):
            if said != counted:
                yield f"fold {fold} class {class_id}: confusion has {said} {what} pixels, the counts {counted}"

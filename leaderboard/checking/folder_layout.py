"""Checks of a record's folder, its files, and that its fields agree about the evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fsbench.records.record import OTHER_MASKS, PRESENT
from fsbench.records.recorded_model import config8
from leaderboard.checking.submission import Submission

BESIDE = frozenset({"record.json", "counts.parquet", "bootstrap.parquet"})
FOLDERS = frozenset({"predictions"})
"""What ``fsbench evaluate --save-predictions`` may leave there."""

ROUNDED = 0.001
"""Seconds are kept to thousandths."""


def check_record(sub: Submission) -> Iterator[str]:
    """Folds of scores, manifests and benchmark agree."""
    record = sub.record
    every = record.benchmark.folds
    if len(set(every)) != len(every):
        yield "benchmark.folds names a fold twice"
    if not record.folds:
        yield "it has no fold"
    if unknown := [fold for fold in record.folds if fold not in every]:
        yield f"scores of fold {unknown[0]}, which the benchmark does not have"
    if list(record.manifests_sha256) != list(every):
        yield f"manifests_sha256 has the folds {', '.join(record.manifests_sha256)}, expected {', '.join(every)}"
    if [fold for fold in every if fold in record.folds] != list(record.folds):
        yield f"folds are ordered {', '.join(record.folds)}, expected the benchmark's order"
    for fold, said in record.folds.items():
        if said.manifest_sha256 != record.manifests_sha256.get(fold):
            yield f"fold {fold}: manifest_sha256 is not that of manifests_sha256"
        if not said.episodes <= said.asked <= said.drawn:
            yield f"fold {fold}: {said.episodes} episodes of {said.asked} asked of {said.drawn} drawn"
        if sub.one_class and (said.confusion is not None or said.others):
            yield f"fold {fold}: has a confusion or other classes, but {record.protocol} asks one class at a time"
        if not sub.one_class and said.confusion is None:
            yield f"fold {fold}: lacks the confusion of classes asked together"


def check_place(sub: Submission) -> Iterator[str]:
    """The folder is the one its own content names."""
    expected = sub.record.folder()
    there = sub.path.resolve().parent
    if sub.path.name != "record.json" or there.parts[-len(expected.parts) :] != expected.parts:
        lies = "/".join(there.parts[-len(expected.parts) :])
        yield f"is in {lies}, expected {expected.as_posix()}"
    model = sub.record.model
    extra = {"template": model.spec} if model.spec is not None and "{fold}" in model.spec else {}
    if extra or model.weights_sha256 is not None:
        name = config8(dict(sorted(model.options.items())), model.precision, model.weights_sha256, extra)
        if name != model.config8:
            yield f"config8 is {model.config8}, but {name} follows from options, precision and weights"


def check_files(sub: Submission) -> Iterator[str]:
    """There are no other files and no links; missing files are found by their readers."""
    with os.scandir(sub.path.parent) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name not in BESIDE and not (entry.name in FOLDERS and entry.is_dir(follow_symlinks=False)):
            yield f"{entry.name}: is no file of a record: remove it"
        elif entry.is_symlink():
            yield f"{entry.name}: is a link: put the file itself there"


def check_timings(sub: Submission) -> Iterator[str]:
    """Images per second are those of all episodes in all seconds; the model took no longer than everything."""
    said = sub.record.timings
    asked = sum(fold.asked for fold in sub.record.folds.values())
    slow, fast = (asked / max(said.seconds + off, ROUNDED) for off in (ROUNDED, -ROUNDED))
    if said.seconds and not slow - 0.01 <= said.images_per_second <= fast + 0.01:
        yield f"{said.images_per_second} images per second, but {asked} episodes took {said.seconds} seconds"
    if said.model_seconds > said.seconds + 2 * ROUNDED * len(sub.record.folds):
        yield f"the model took {said.model_seconds} seconds of {said.seconds}"


def check_modified(sub: Submission) -> Iterator[str]:
    """``modified`` names all in which it differs from its protocol, and nothing else."""
    record, said = sub.record, sub.record.benchmark
    expected = [] if record.limit is None else [f"limit={record.limit}"]
    if PRESENT in record.modified and sub.protocol.published_draw and said.partial:
        expected.append(PRESENT)
    if sub.protocol.other_masks(said.mask_rule):
        expected.append(f"{OTHER_MASKS}{said.mask_rule}")
    if record.modified != tuple(expected):
        yield f"says {', '.join(record.modified) or 'nothing'}, expected {', '.join(expected) or 'nothing'}"

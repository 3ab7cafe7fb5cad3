"""Checks of the model card: completeness, training on tested classes, evidence."""

from __future__ import annotations

from collections.abc import Iterator

from fsbench.engine.loaded_model import check_contamination, check_shots
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import ClassName, FoldLists
from fsbench.models.contract import TrainingCard
from leaderboard.checking.submission import NotCheckableError, Submission
from leaderboard.tables import EVIDENCE


def _training(sub: Submission, fold: str) -> TrainingCard:
    training = sub.record.model.training
    return training.get(fold) or training.get("*") or TrainingCard()


def check_card(sub: Submission) -> Iterator[str]:
    """A model with trained parameters says what it was trained on, in every fold that was run."""
    model = sub.record.model
    trained, total = model.trained_parameters, model.total_parameters
    if trained is not None and total is not None and trained > total:
        yield f"{trained} trained parameters of {total}"
    unknown_folds = [fold for fold in model.training if fold != "*" and fold not in sub.record.benchmark.folds]
    if unknown_folds:
        yield f"training names fold {unknown_folds[0][:40]!r}, which the benchmark does not have"
    try:
        check_shots(model, sub.record.shots)
    except FsbenchError as error:
        yield str(error)
    if not trained:
        return
    for fold in sub.record.folds:
        said = _training(sub, fold)
        if not said.training_classes and said.training_data == "unknown":
            yield f"has {trained} trained parameters, but says nothing of their training for fold {fold}"


def notes(sub: Submission) -> Iterator[str]:
    """What the card leaves open and what else could be proved; no faults, but a reader has to know."""
    model = sub.record.model
    fields = ("trained_parameters", "total_parameters", "url", "licence")
    open_fields = [name for name in fields if getattr(model, name) in (None, "unknown", "")]
    if open_fields:
        yield f"card: unknown: {', '.join(open_fields)}"
    unknown: dict[str, list[str]] = {}
    for fold in sub.record.folds:
        for name, value in _training(sub, fold):
            if value == "unknown" or (name == "training_classes" and not value and model.trained_parameters != 0):
                unknown.setdefault(name, []).append(fold)
    by_folds: dict[str, list[str]] = {}
    for name, folds in unknown.items():
        by_folds.setdefault(", ".join(folds[:8]), []).append(name)
    for folds_named, names in by_folds.items():
        yield f"card: unknown of the training for fold {folds_named}: {', '.join(names)}"
    kept = sub.path.parent / "predictions"
    if sub.desk.predictions is None and kept.is_dir():
        yield f"it has predictions: count them again with --predictions {kept}"
    if model.contaminated and not _met(sub):
        yield "contaminated: it says so itself; its training classes do not show it"


def check_training(sub: Submission) -> Iterator[str]:
    """A model whose training classes meet the tested ones says that it is contaminated."""
    if not sub.record.model.contaminated and _met(sub):
        yield "was trained on classes that it is tested on, but does not say that it is contaminated"
    named = any(card.training_classes for card in sub.record.model.training.values())
    if not named and sub.record.model.trained_parameters != 0:
        raise NotCheckableError("the card names no training classes")


def _met(sub: Submission) -> bool:
    return check_contamination(sub.record.model, _tested(sub), [*sub.record.folds], accepted=True)


def _tested(sub: Submission) -> FoldLists:
    """Classes with the ids of their places: of the lists where they are known, else as the record names them."""
    try:
        return sub.lists
    except NotCheckableError:
        pass
    classes: list[ClassName] = []
    folds: dict[str, tuple[int, ...]] = {}
    for fold, of_fold in sub.record.folds.items():
        folds[fold] = tuple(range(len(classes), len(classes) + len(of_fold.classes)))
        classes += [ClassName(c, key, key) for c, key in zip(folds[fold], of_fold.classes, strict=True)]
    said = sub.record.benchmark
    return FoldLists(said.name, said.title, said.partition, said.mask_rule, tuple(classes), folds, {}, {})


def check_evidence(sub: Submission) -> Iterator[str]:
    """It claims no more than was proved here."""
    claimed, proved = sub.record.evidence, sub.desk.evidence
    if proved == "predictions" and "predictions" in sub.failed:
        proved = "counts"
    levels = list(EVIDENCE)
    if levels.index(claimed) > levels.index(proved):
        remedy = {
            "predictions": "hand in the predictions, which are then counted again (--predictions DIR)",
            "rerun": "only a maintainer who ran it again may say so (--evidence rerun)",
        }
        yield f"claims {claimed}, but {proved} is proved: {remedy[claimed]}"

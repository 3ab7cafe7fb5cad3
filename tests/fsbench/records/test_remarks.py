"""A model that answers probabilities: one early line on standard error, and a remark in the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fsbench
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import Episode, ModelCard
from fsbench.records.record import Record, read_record
from fsbench.records.remarks import ADVICE
from fsbench.results.compare import compare
from fsbench.results.merge import merge_records
from fsbench.results.rescore import rescore
from tests.command import run as command
from tests.fsbench.engine.test_evaluate import bytes_of, folder, run
from tests.fsbench.results.saved_records import altered
from tests.fsbench.sample_models import Wrong

WARNING = f"fsbench: model sigmoid: {ADVICE}\n"
MODEL = "tests.fsbench.records.test_remarks:Sigmoid"
FOLDS = ("0", "1", "2", "3")


class Sigmoid:
    """Probabilities, as a network with a sigmoid gives them; logits for the photographs in ``logits``.

    It is interrupted when it has ``enough``.
    """

    def __init__(self) -> None:
        self.card = ModelCard(name="sigmoid", prompts="none")
        self.logits: Collection[str] = ()
        self.enough = 1000
        self.seen: list[str] = []

    def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
        if len(self.seen) >= self.enough:
            raise KeyboardInterrupt
        self.seen += [episode.image_id for episode in episodes]
        return [self.score(episode) for episode in episodes]

    def score(self, episode: Episode) -> torch.Tensor:
        grey = episode.image.float().mean(dim=0)
        logits = torch.stack([(grey - grey.mean()) / 8] * len(episode.prompts))
        return logits if episode.image_id in self.logits else logits.sigmoid()


def remarks(record: Record) -> dict[str, tuple[str, ...]]:
    return {fold: said.remarks for fold, said in record.folds.items()}


EVERYWHERE = dict.fromkeys(FOLDS, ("probabilities",))


@pytest.mark.parametrize("protocol", ["fsbench-v1", "fsbench-multi-v1"])
def test_the_warning_is_printed_once_and_recorded(
    small: Benchmark, tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run(Sigmoid(), small, tmp_path, protocol=protocol)
    assert capsys.readouterr().err == WARNING
    assert remarks(record) == remarks(read_record(folder(tmp_path))) == EVERYWHERE
    values = json.loads((folder(tmp_path) / "record.json").read_text())
    assert [fold["remarks"] for fold in values["folds"].values()] == [["probabilities"]] * 4


def test_the_table_names_the_remedy(small: Benchmark, tmp_path: Path) -> None:
    code, printed, error = command("evaluate", "-m", MODEL, "-b", small.folder, "--out", tmp_path)
    assert (code, error) == (0, WARNING)
    assert f"model sigmoid: {ADVICE}." in " ".join(printed.split())
    assert "score - 0.5" in ADVICE


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_warning_comes_before_the_first_fold_is_done(
    small: Benchmark, tmp_path: Path, batch_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Sigmoid()
    model.enough = 8
    with pytest.raises(KeyboardInterrupt):
        run(model, small, tmp_path, batch_size=batch_size)
    assert capsys.readouterr().err == WARNING


@pytest.mark.parametrize(
    "answer",
    [
        lambda grey: (grey > 0.5).float(),
        lambda grey: (grey > 0.5).to(torch.uint8),
        lambda grey: grey > 0.5,
        lambda grey: (grey - 0.6).relu(),
        lambda grey: grey * 255,
        lambda grey: grey - 0.5,
    ],
    ids=["0 and 1 as floats", "integer mask", "bool mask", "rectified", "beyond 1", "threshold subtracted"],
)
def test_answers_that_are_counted_as_meant_get_no_remark(
    small: Benchmark, tmp_path: Path, answer: Callable[[torch.Tensor], torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    model = Wrong(lambda episodes: [answer(e.image.float().mean(dim=0, keepdim=True) / 255) for e in episodes])
    record = run(model, small, tmp_path, folds=0)
    assert capsys.readouterr().err == ""
    assert remarks(record) == {"0": ()}
    path = folder(tmp_path) / "record.json"
    assert read_record(path).json_text().encode() == path.read_bytes()
    assert "remarks" not in path.read_text()


def sigmoid(logits: Collection[str] = ()) -> Sigmoid:
    model = Sigmoid()
    model.logits = logits
    return model


@pytest.fixture(scope="module")
def tokens(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The tokens of all photographs, in the order in which they are asked."""
    model = Sigmoid()
    run(model, small, tmp_path_factory.mktemp("tokens"))
    return model.seen


def test_the_advice_gives_the_masks_that_were_meant(small: Benchmark, tmp_path: Path, tokens: list[str]) -> None:
    def subtracted(episodes: Sequence[Episode]) -> list[torch.Tensor]:
        return [answer - 0.5 for answer in Sigmoid().segment(episodes)]

    meant = run(sigmoid(tokens), small, tmp_path / "logits", folds=0)
    assert run(Wrong(subtracted), small, tmp_path / "mended", folds=0).counts_sha256 == meant.counts_sha256
    assert run(Sigmoid(), small, tmp_path / "as they are", folds=0).counts_sha256 != meant.counts_sha256


def test_one_answer_with_logits_clears_its_fold_whatever_the_batches(
    small: Benchmark, tmp_path: Path, tokens: list[str]
) -> None:
    for name, options in {"a": {"workers": 1}, "b": {"workers": 3}, "c": {"batch_size": 1}}.items():
        record = run(sigmoid(tokens[33:34]), small, tmp_path / name, folds=(1, 2), **options)
        assert remarks(record) == {"1": (), "2": ("probabilities",)}
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    one, eight = (read_record(folder(tmp_path / name)) for name in "ca")
    assert one.folds == eight.folds


@pytest.mark.parametrize("logits", [0, 19, None])
def test_a_killed_run_ends_with_the_same_remarks(
    small: Benchmark, tmp_path: Path, tokens: list[str], logits: int | None
) -> None:
    """The answer that clears the fold comes before the kill, after it, or never."""
    cleared = [] if logits is None else [tokens[logits]]
    killed, resumed = sigmoid(cleared), sigmoid(cleared)
    killed.enough = 14
    options: dict[str, Any] = {"batch_size": 2, "workers": 1, "folds": 0}
    with pytest.raises(KeyboardInterrupt):
        run(killed, small, tmp_path / "killed", **options)
    assert not list((tmp_path / "killed").glob("**/record.json"))
    run(resumed, small, tmp_path / "killed", **options)
    assert 0 < len(resumed.seen) < 20
    record = run(sigmoid(cleared), small, tmp_path / "whole", **options)
    assert remarks(record) == {"0": ("probabilities",) if logits is None else ()}
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")


def test_folds_that_come_later_keep_the_remarks(small: Benchmark, tmp_path: Path) -> None:
    run(Sigmoid(), small, tmp_path / "whole", folds=(0, 2))
    for fold in (2, 0):
        run(Sigmoid(), small, tmp_path / "one by one", folds=fold)
        run(Sigmoid(), small, tmp_path / str(fold), folds=fold)
    assert bytes_of(tmp_path / "one by one") == bytes_of(tmp_path / "whole")
    merged = merge_records([folder(tmp_path / fold) / "record.json" for fold in "20"], tmp_path / "merged")
    assert remarks(merged) == dict.fromkeys(("0", "2"), ("probabilities",))
    assert merged.folds == read_record(folder(tmp_path / "whole")).folds


def test_rescoring_and_comparing_repeat_the_remark(small: Benchmark, tmp_path: Path, tokens: list[str]) -> None:
    run(sigmoid(tokens[:1]), small, tmp_path / "a")
    run(Wrong(lambda episodes: [torch.ones(1, 2, 2) for _ in episodes]), small, tmp_path / "b")
    line = f"model sigmoid (fold 1, 2, 3): {ADVICE}."
    assert line in rescore(folder(tmp_path / "a")).remarks
    assert f"A: {line}" in compare(folder(tmp_path / "a"), folder(tmp_path / "b")).remarks


def test_unknown_remarks_are_refused(small: Benchmark, tmp_path: Path) -> None:
    run(Sigmoid(), small, tmp_path, folds=0)
    path = folder(tmp_path) / "record.json"
    for value in (["nonsense"], ["probabilities"] * 2, "probabilities", [["probabilities"]], {"a": 1}):
        altered(path, lambda fields: fields["folds"]["0"].update(remarks=value))  # noqa: B023 - called at once
        with pytest.raises(FsbenchError, match=r"is no fsbench-record/1 record: folds\.0\.remarks"):
            read_record(path)


FORMS: list[Callable[..., Any]] = [
    lambda scores: np.stack([scores.numpy() for scores in scores]),
    lambda scores: torch.stack(list(scores)),
    lambda scores: [scores.numpy()[:, ::-1].copy()[:, ::-1] for scores in scores],
    lambda scores: [(scores > 0).numpy() for scores in scores],
    lambda scores: np.stack([(scores > 0).numpy().astype(np.uint8) for scores in scores]),
    lambda scores: torch.stack([(scores > 0).to(torch.int64) for scores in scores]),
]


def test_arrays_are_counted_as_tensors(small: Benchmark, tmp_path: Path) -> None:
    def logits(episodes: Sequence[Episode]) -> list[torch.Tensor]:
        return [e.image.float().mean(dim=0, keepdim=True) - 99 for e in episodes]

    expected = run(Wrong(logits), small, tmp_path / "tensors", folds=0).counts_sha256
    for number, form in enumerate(FORMS):
        record = run(Wrong(lambda episodes: form(logits(episodes))), small, tmp_path / str(number), folds=0)  # noqa: B023
        assert record.counts_sha256 == expected, number


def test_segmenting_a_photograph_warns_too(capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.random.RandomState(3).randint(0, 256, (20, 30, 3)).astype(np.uint8)
    as_tensors = Sigmoid()
    found = fsbench.segment(as_tensors, pixels, ["cat", "dog"])
    assert capsys.readouterr().err == WARNING
    assert (found.labels > 0).all()
    mask = np.zeros((1, 2, 20, 30), np.uint8)
    mask[0, 1, :10] = 1
    found = fsbench.segment(Wrong(lambda episodes: mask), pixels, ["cat", "dog"])
    assert capsys.readouterr().err == ""
    assert found.shares() == {"cat": 0.0, "dog": 0.5}

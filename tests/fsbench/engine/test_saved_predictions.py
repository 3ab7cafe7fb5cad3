"""``--save-predictions``: the masks that were counted, kept as ``predictions:DIR`` reads them, whatever happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fsbench
from fsbench.benchmarks.pascal import lists as pascal_lists
from fsbench.benchmarks.pascal import pascal5i
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, open_benchmark
from tests.command import run as command
from tests.fsbench.benchmarks.synthetic_voc import write_voc
from tests.fsbench.engine.saved_predictions import png, saved_and_handed_in
from tests.fsbench.sample_models import Bright, Masked


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four photographs of PASCAL-5i's fold 0, with void."""
    folder = tmp_path_factory.mktemp("voc")
    samples = [sample for sample, class_id in pascal_lists.val("0") if class_id == 0][:4]
    pascal5i.build(write_voc(folder, samples), folder / "b", partial=True)
    return open_benchmark(folder / "b")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def save(benchmark: Benchmark, out: Path, model: Any = None, **asked: Any) -> Path:
    """Evaluate with predictions saved; gives their folder."""
    record = fsbench.evaluate(model or Bright(), benchmark, out=out, threads=1, save_predictions=True, **asked)
    return out / record.folder() / "predictions"


def test_they_are_the_masks_that_were_counted(small: Benchmark, tmp_path: Path) -> None:
    folder = save(small, tmp_path)
    for fold, pairs in small.lists.val.items():
        assert len(list((folder / f"fold{fold}").iterdir())) == len(pairs) + 1
        for number, (sample, _) in enumerate(pairs):
            grey = torch.from_numpy(small.image(sample).astype(np.float32).transpose(2, 0, 1)).mean(dim=0)
            mode, mask = png(folder / f"fold{fold}" / f"{number:06d}.png")
            assert mode == "1"
            assert np.array_equal(mask, (grey > grey.mean()).numpy())


@pytest.mark.parametrize("asked", [{}, {"shots": 1, "seed": 3}, {"limit": 7}, {"folds": "2"}], ids=str)
def test_handed_in_they_give_the_same_counts(small: Benchmark, tmp_path: Path, asked: dict[str, Any]) -> None:
    saved_and_handed_in(Bright(), small, tmp_path, **asked)


@pytest.mark.parametrize(
    ("protocol", "shots", "size"),
    [("hsnet", 1, (400, 400)), ("fusioner@224", 0, (224, 224))],
)
def test_they_have_the_size_that_is_compared(
    voc: Benchmark, tmp_path: Path, protocol: str, shots: int, size: tuple[int, int]
) -> None:
    asked: dict[str, Any] = {"folds": "0", "protocol": protocol, "shots": shots, "limit": 6, "draw_from": "present"}
    folder, record = saved_and_handed_in(Bright(), voc, tmp_path, **asked)
    assert record.folds["0"].asked == len(list(folder.rglob("*.png"))) > 0
    for path in folder.rglob("*.png"):
        assert png(path)[1].shape == size


def test_the_card_goes_with_them(small: Benchmark, tmp_path: Path) -> None:
    folder, record = saved_and_handed_in(Masked(), small, tmp_path, folds="0")
    card = fsbench.ModelCard.model_validate_json((folder / "predictions" / "card.json").read_bytes())
    assert card == Masked().card
    assert record.shots == 1


def test_workers_and_batches_change_no_byte(small: Benchmark, tmp_path: Path) -> None:
    one = tree(save(small, tmp_path / "one", workers=1))
    assert len(one) == 4 * 21 + 1
    assert tree(save(small, tmp_path / "two", workers=2, batch_size=2)) == one


def test_an_interrupted_run_resumes_and_leaves_no_partial_file(small: Benchmark, tmp_path: Path) -> None:
    whole = tree(save(small, tmp_path / "whole", batch_size=2))
    with pytest.raises(KeyboardInterrupt):
        save(small, tmp_path / "cut", Bright(batches=14), batch_size=2)
    (fold1,) = (tmp_path / "cut").glob("**/predictions/fold1")
    (fold1 / ".000019.png.7.tmp").write_bytes(b"half a mask")
    model = Bright()
    folder = save(small, tmp_path / "cut", model, batch_size=2)
    assert folder == fold1.parent
    assert tree(folder) == whole
    assert len(model.seen) < 40


def test_saving_asks_again_what_was_counted_without_saving(small: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fsbench.evaluate(Bright(batches=8), small, out=tmp_path / "a", threads=1, batch_size=2, folds="0")
    (log,) = tmp_path.glob("**/*.partial.jsonl")
    assert len(log.read_bytes().splitlines()) > 1
    model = Bright()
    folder = save(small, tmp_path / "a", model, batch_size=2, folds="0")
    assert folder.parent == log.parent
    assert len(model.seen) == 10
    assert tree(folder) == tree(save(small, tmp_path / "b", batch_size=2, folds="0"))


def test_a_record_without_predictions_says_how_to_get_them(
    small: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fsbench.evaluate(Bright(), small, out=tmp_path, threads=1, folds=["0", "2"])
    capsys.readouterr()
    folder = save(small, tmp_path, folds=["0", "1", "2"])
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "predictions: lacks fold 0, 2" in message
    assert "--if-exists replace" in message
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "fold1"]
    save(small, tmp_path, folds="1")
    assert "lacks" not in capsys.readouterr().err
    save(small, tmp_path, folds=["0", "1"], if_exists="replace")
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "fold0", "fold1"]


def test_a_replacement_leaves_no_masks_of_the_record_before(small: Benchmark, tmp_path: Path) -> None:
    folder = save(small, tmp_path, folds="0")
    (folder / "fold0" / "000099.png").write_bytes(b"")
    assert "000099.png" not in str(tree(save(small, tmp_path, folds="0", if_exists="replace")))
    fsbench.evaluate(Bright(), small, out=tmp_path, threads=1, folds="0", if_exists="replace")
    assert not folder.exists()


def test_an_unwritable_folder_is_one_line(small: Benchmark, tmp_path: Path) -> None:
    folder = save(small, tmp_path, folds="0")
    (folder / "fold1").write_text("no folder")
    with pytest.raises(FsbenchError, match="fold1: cannot be") as caught:
        save(small, tmp_path, folds="1")
    assert "\n" not in str(caught.value)


def test_on_the_command_line(small: Benchmark, tmp_path: Path) -> None:
    asked = ["-m", "tests.fsbench.sample_models:Bright", "-b", small.folder, "-f", "3", "--threads", "1"]
    assert command("evaluate", *asked, "--save-predictions", "--out", tmp_path / "a").code == 0
    (folder,) = (tmp_path / "a").glob("**/predictions")
    assert tree(folder / "fold3") == tree(save(small, tmp_path / "b", folds="3") / "fold3")

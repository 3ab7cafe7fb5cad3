"""The engine: what a record promises, whatever the workers, the batches, the order of folds, and kills."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fsbench
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.io.files import sha256_json
from fsbench.records.counts import CountLog, read_counts, rows_digest
from fsbench.records.record import Record, read_record
from tests.fsbench.sample_models import Bright, Masked, Wrong


def run(model: Any, benchmark: Benchmark, out: Path, **options: Any) -> Record:
    return fsbench.evaluate(model, benchmark, out=out, **({"threads": 1, "workers": 2} | options))


def folder(out: Path) -> Path:
    (found,) = out.glob("**/record.json")
    return found.parent


def bytes_of(out: Path) -> dict[str, Any]:
    """Everything a run left behind but its timings."""
    left = {path.name: path.read_bytes() for path in sorted(folder(out).iterdir())}
    assert set(left) == {"record.json", "counts.parquet", "bootstrap.parquet"}
    record = json.loads(left.pop("record.json"))
    record.pop("timings")
    return left | {"record": record}


def test_the_record_says_what_a_naive_count_says(small: Benchmark, tmp_path: Path) -> None:
    record = run(Bright(), small, tmp_path)
    mious = []
    for fold, pairs in small.lists.val.items():
        inter: dict[int, int] = defaultdict(int)
        union: dict[int, int] = defaultdict(int)
        fg, bg = [0, 0], [0, 0]
        for sample, class_id in pairs:
            image = small.image(sample).astype(np.float32).transpose(2, 0, 1)
            grey = torch.from_numpy(image).mean(dim=0)
            predicted = (grey > grey.mean()).numpy()
            truth = small.truth(sample, class_id) == 1
            inter[class_id] += int((predicted & truth).sum())
            union[class_id] += int((predicted | truth).sum())
            fg = [fg[0] + int((predicted & truth).sum()), fg[1] + int((predicted | truth).sum())]
            bg = [bg[0] + int((~predicted & ~truth).sum()), bg[1] + int((~predicted | ~truth).sum())]
        said = record.folds[fold]
        for class_id in small.lists.folds[fold]:
            of_class = said.classes[small.lists.classes[class_id].key]
            assert (of_class.intersection, of_class.union, of_class.episodes) == (inter[class_id], union[class_id], 10)
            assert of_class.iou == inter[class_id] / union[class_id]
        mious.append(np.mean([inter[c] / union[c] for c in small.lists.folds[fold]]))
        assert said.miou == pytest.approx(mious[-1], abs=1e-12)
        assert said.fb_iou == pytest.approx((fg[0] / fg[1] + bg[0] / bg[1]) / 2, abs=1e-12)
        assert said.ci95 is not None
        assert said.ci95[0] < said.miou < said.ci95[1]
    assert record.miou == pytest.approx(np.mean(mious), abs=1e-12)
    assert record.ci95 is not None
    assert record.ci95[0] < record.miou < record.ci95[1]


def test_what_a_script_reads(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path, shots=1, seed=3)
    path = folder(tmp_path) / "record.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    assert said["schema"] == "fsbench-record/1"
    assert said["model"]["name"] == "bright"
    assert said["benchmark"]["name"] == "tiny"
    assert said["benchmark"]["partial"] is False
    assert (said["protocol"], said["shots"], said["seed"]) == ("fsbench-v1", 1, 3)
    assert list(said["folds"]) == ["0", "1", "2", "3"]
    fold = said["folds"]["0"]
    assert {"miou", "fb_iou", "ci95", "episodes", "manifest_sha256", "classes"} <= set(fold)
    assert set(fold["classes"]["thing_00"]) == {"class_id", "iou", "intersection", "union", "episodes"}
    assert {"miou", "fb_iou", "ci95", "environment", "timings"} <= set(said)
    config = said["model"]["config8"]
    assert path.parent.relative_to(tmp_path) == Path(f"bright/1-{config}/tiny/fsbench-v1-1shot-s3")
    assert rows_digest(read_counts(path.parent / "counts.parquet")) == said["counts_sha256"]


def test_two_runs_differ_in_timings_alone_for_any_number_of_workers(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path / "a", workers=1)
    run(Bright(), small, tmp_path / "b", workers=5)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_batches_are_the_same_for_any_number_of_workers(small: Benchmark, tmp_path: Path) -> None:
    models = [Bright(), Bright()]
    for workers, model in enumerate(models, start=1):
        run(model, small, tmp_path / str(workers), workers=workers, batch_size=3)
    assert models[0].seen == models[1].seen
    assert max(len(batch) for batch in models[0].seen) == 3


def test_folds_run_one_by_one_into_one_folder_are_the_whole_record(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path / "whole")
    for fold in (2, 0, 3, 1):
        record = run(Bright(), small, tmp_path / "parts", folds=fold)
        assert (record.miou is None) == (fold != 1)
    assert bytes_of(tmp_path / "parts") == bytes_of(tmp_path / "whole")


def test_resume_asks_nothing_again_and_replace_asks_everything(small: Benchmark, tmp_path: Path) -> None:
    first = run(Bright(), small, tmp_path)
    again = Bright()
    assert run(again, small, tmp_path) == first
    assert again.seen == []
    run(again, small, tmp_path, if_exists="replace")
    assert sum(map(len, again.seen)) == 80
    with pytest.raises(FsbenchError, match=r"record\.json: is there already"):
        run(again, small, tmp_path, if_exists="error")


def test_a_results_folder_of_another_manifest_is_refused(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path)
    path = folder(tmp_path) / "record.json"
    said = json.loads(path.read_text())
    said["manifests_sha256"]["0"] = "0" * 64
    path.write_text(json.dumps(said))
    with pytest.raises(FsbenchError, match=r"record\.json: is of another manifest \(fold 0: 000000000000"):
        run(Bright(), small, tmp_path)
    run(Bright(), small, tmp_path, if_exists="replace")


def test_a_results_folder_of_another_benchmark_is_refused(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path)
    path = folder(tmp_path) / "record.json"
    path.write_text(path.read_text().replace(small.digests.sources, "1" * 64))
    with pytest.raises(FsbenchError, match=r"is of another benchmark \(sources_sha256"):
        run(Bright(), small, tmp_path)


def test_adding_a_fold_with_another_batch_size_is_refused(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path, folds=0)
    with pytest.raises(FsbenchError, match="made with batch_size 8, this run has 4"):
        run(Bright(), small, tmp_path, folds=1, batch_size=4)


def test_an_error_half_way_keeps_what_was_counted(small: Benchmark, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(small.roots["root"], raw)
    moved = open_benchmark(small.folder, root=raw)
    query = small.lists.val["2"][7][0]
    photograph = raw / f"{query}.jpg"
    whole = photograph.read_bytes()
    photograph.write_bytes(whole[: len(whole) // 2])
    model = Bright()
    with pytest.raises(FsbenchError, match=str(photograph)):
        run(model, moved, tmp_path / "out", batch_size=2)
    asked = sum(map(len, model.seen))
    assert 0 < asked < 80
    photograph.write_bytes(whole)
    run(model, moved, tmp_path / "out", batch_size=2)
    assert sum(map(len, model.seen)) < 80 + asked
    run(Bright(), moved, tmp_path / "at once", batch_size=2)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "at once")


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:-1], lines[-1][: len(lines[-1]) // 2]],
        lambda lines: [*lines[:-1], lines[-1].rstrip()],
        lambda lines: [*lines[:1], b"garbage\n", *lines[2:]],
        lambda lines: [*lines[:1], lines[1].replace(b"rows", b"sums"), *lines[2:]],
        lambda lines: [*lines[:1], lines[1].replace(b'"thing_', b'7, "thing_'), *lines[2:]],
        lambda lines: [*lines[:1], lines[2].replace(b'"batch": 1', b'"batch": 0'), *lines[2:]],
    ],
)
def test_a_damaged_log_is_gone_on_with_as_far_as_it_is_whole(small: Benchmark, tmp_path: Path, damage: Any) -> None:
    def fail_late(episodes: Any) -> Any:
        if calls.append(1) or len(calls) > 6:
            raise RuntimeError("power cut")
        return Bright().segment(episodes)

    calls: list[Any] = []
    failing = Wrong(fail_late)
    failing.card = Bright().card
    with pytest.raises(ModelError):
        run(failing, small, tmp_path / "out", workers=1)
    (log,) = (tmp_path / "out").glob("**/fold1.partial.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) > 2
    log.write_bytes(b"".join(damage(lines)))
    run(Bright(), small, tmp_path / "out", workers=1)
    run(Bright(), small, tmp_path / "whole", workers=1)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_log_of_other_settings_is_not_gone_on_with(small: Benchmark, tmp_path: Path) -> None:
    def stop(episodes: Any) -> Any:
        raise KeyboardInterrupt

    failing = Wrong(stop)
    failing.card = Bright().card
    with pytest.raises(KeyboardInterrupt):
        run(failing, small, tmp_path, batch_size=4)
    (log,) = tmp_path.glob("**/fold0.partial.jsonl")
    header = log.read_text()
    log.write_text(header + '{"batch": 0, "rows": [], "seconds": 1, "model_seconds": 1}\n')
    model = Bright()
    run(model, small, tmp_path, batch_size=8)
    assert sum(map(len, model.seen)) == 80


def test_0_shots_for_a_mask_model_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"masked needs support masks.*-k 1"):
        fsbench.evaluate(Masked(), tmp_path / "no benchmark here", shots=0)


def test_default_shots(small: Benchmark, tmp_path: Path) -> None:
    assert run(Bright(), small, tmp_path, folds=0).shots == 0
    assert run(Masked(), small, tmp_path, folds=0).shots == 1


HEIGHT, WIDTH = 24, 32


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda e: torch.zeros(1, HEIGHT, WIDTH), "returned 1 answers to 8 episodes|expected"),
        (lambda e: None, "returned NoneType, expected a sequence"),
        (lambda e: [torch.zeros(HEIGHT, WIDTH) for _ in e], r"got shape \(24, 32\), expected \(1, height, width\)"),
        (lambda e: [torch.zeros(2, 4, 4) for _ in e], r"got shape \(2, 4, 4\), expected \(1, height, width\)"),
        (lambda e: [torch.full((1, 4, 4), torch.nan) for _ in e], "NaN"),
        (lambda e: [torch.zeros(1, 4, 4, dtype=torch.bool) for _ in e], "bool mask of 1 x 4 x 4, expected 1 x 24 x 32"),
        (
            lambda e: [torch.full((1, 4, 4), 255, dtype=torch.uint8) for _ in e],
            "integers from 255 to 255, expected a mask",
        ),
        (lambda e: [[[[0.0]]] for _ in e], "got list, expected a torch.Tensor or a numpy array"),
        (lambda e: np.zeros((1, 4, 4)), "returned 1 answers to 8 episodes|expected"),
        (lambda e: [np.full((1, 4, 4), np.inf) for _ in e], "infinite scores, expected finite ones"),
        (lambda e: sys.exit(3), "segment raised SystemExit: 3"),
        (lambda e: 1 / 0, r"segment raised ZeroDivisionError: division by zero \(test_evaluate.py line"),
    ],
)
def test_answers_that_are_none_are_named(small: Benchmark, tmp_path: Path, answer: Any, expected: str) -> None:
    with pytest.raises(ModelError, match=expected) as caught:
        run(Wrong(answer), small, tmp_path)
    said = str(caught.value)
    assert said.startswith("model wrong, ")
    assert "episode" in said
    assert "expected" in said
    assert "\n" not in said
    assert not list(tmp_path.glob("**/record.json"))


def test_the_named_episode_is_the_one_at_fault(small: Benchmark, tmp_path: Path) -> None:
    seen = []

    def answer(episodes: Any) -> list[torch.Tensor]:
        answers = []
        for episode in episodes:
            seen.append(episode)
            answers.append(torch.zeros(1, *episode.image.shape[1:]) if len(seen) <= 13 else torch.zeros(3))
        return answers

    query = small.lists.val["0"][13][0]
    with pytest.raises(ModelError, match=rf"fold 0 episode 13 \(query {query}\)"):
        run(Wrong(answer), small, tmp_path)


def test_limit_is_marked_and_has_a_place_of_its_own(small: Benchmark, tmp_path: Path) -> None:
    record = run(Bright(), small, tmp_path, limit=5)
    assert record.protocol_title == "fsbench-v1(modified)"
    assert record.modified == ("limit=5",)
    assert {fold.episodes for fold in record.folds.values()} == {5}
    assert record.folds["0"].left_out == ("thing_01",)
    assert folder(tmp_path).name == "fsbench-v1-0shot-s0-limit5"


def test_the_number_of_torch_threads_is_set_and_restored(small: Benchmark, tmp_path: Path) -> None:
    inside = []

    def answer(episodes: Any) -> list[torch.Tensor]:
        inside.append(torch.get_num_threads())
        return [torch.zeros(1, 1, 1) for _ in episodes]

    before = torch.get_num_threads()
    record = run(Wrong(answer), small, tmp_path, threads=3)
    assert set(inside) == {3}
    assert record.environment.threads == 3
    assert torch.get_num_threads() == before


def test_scores_are_resized_and_bool_masks_taken_as_they_are(small: Benchmark, tmp_path: Path) -> None:
    def truth_like(kind: str) -> Any:
        def answer(episodes: Any) -> list[torch.Tensor]:
            out = []
            for _ in episodes:
                mask = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
                mask[:, :, : WIDTH // 2] = True
                out.append(mask if kind == "bool" else torch.tensor([[[1.0, -1.0]]]))
            return out

        return answer

    as_bool = run(Wrong(truth_like("bool")), small, tmp_path / "bool")
    as_float = run(Wrong(truth_like("float")), small, tmp_path / "float")
    assert as_bool.folds == as_float.folds


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 0), ("limit", 0), ("shots", -1), ("seed", -1), ("workers", 0), ("threads", 0)]
)
def test_numbers_out_of_range(small: Benchmark, tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(FsbenchError, match=rf"{name.replace('_', '.')} {value}: must be"):
        run(Bright(), small, tmp_path, **{name: value})


def test_unknown_device(small: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"--device abacus: unknown"):
        run(Bright(), small, tmp_path, device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(FsbenchError, match=r"--device cuda: not on this machine"):
            run(Bright(), small, tmp_path, device="cuda")


def test_a_model_is_moved_to_its_device(small: Benchmark, tmp_path: Path) -> None:
    class Moved(Bright):
        at = ""

        def to(self, device: str) -> None:
            self.at = device

    model = Moved()
    run(model, small, tmp_path, device="cpu", folds=(0, 1))
    assert model.at == "cpu"


@pytest.mark.parametrize(
    "damage",
    [
        lambda said: said.pop("protocol"),
        lambda said: said.update(schema="fsbench-record/2"),
        lambda said: said["folds"]["0"].update(miou=1.5),
        lambda said: said["folds"]["0"].update(miou=float("nan")),
        lambda said: said.update(unknown=1),
        lambda said: said["model"].update(name="../evil"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(small: Benchmark, tmp_path: Path, damage: Any) -> None:
    run(Bright(), small, tmp_path)
    path = folder(tmp_path) / "record.json"
    said = json.loads(path.read_text())
    damage(said)
    path.write_text(json.dumps(said))
    with pytest.raises(FsbenchError) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_of_answers(small: Benchmark, tmp_path: Path) -> None:
    from fsbench.cli.answers_sheet import answers_sheet
    from fsbench.engine.loaded_model import LoadedModel
    from fsbench.engine.plan import Questions, make_plan

    plan = make_plan(LoadedModel.load(Masked()), small, Questions(), tmp_path)
    answers_sheet(plan, "1", [0, 3, 12], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000
        assert np.asarray(sheet).std() > 10


def test_nothing_is_run_again_without_a_word(
    small: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Bright(), small, tmp_path)
    assert capsys.readouterr().err == ""
    run(Bright(), small, tmp_path)
    assert "is there already, nothing was run" in capsys.readouterr().err


def test_altered_raw_files_are_not_counted(small: Benchmark, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(small.roots["root"], raw)
    mask = raw / "thing_02" / "3.png"
    Image.new("L", (WIDTH, HEIGHT), 255).save(mask)
    with pytest.raises(FsbenchError, match=rf"{mask}: was altered since"):
        run(Bright(), open_benchmark(small.folder, root=raw), tmp_path / "out")
    mask.unlink()
    with pytest.raises(FsbenchError, match=rf"{mask}: cannot be read"):
        run(Bright(), open_benchmark(small.folder, root=raw), tmp_path / "out")


def test_a_replacement_that_fails_leaves_the_record(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path)
    before = bytes_of(tmp_path)
    failing = Bright()
    failing.segment = lambda episodes: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ModelError):
        run(failing, small, tmp_path, if_exists="replace")
    for log in tmp_path.glob("**/*.partial.jsonl"):
        log.unlink()
    assert bytes_of(tmp_path) == before


def test_altered_counts_are_not_joined(small: Benchmark, tmp_path: Path) -> None:
    from fsbench.records.counts import write_counts

    run(Bright(), small, tmp_path, folds=0)
    path = folder(tmp_path) / "counts.parquet"
    write_counts(path, [row._replace(intersection=0) for row in read_counts(path)])
    with pytest.raises(FsbenchError, match=r"counts\.parquet: is not of the record beside it"):
        run(Bright(), small, tmp_path, folds=1)


@pytest.mark.parametrize("change", [{"intersection": 10**6}, {"class_id": 7}, {"image": "x"}, {"number": 3}])
def test_log_rows_that_cannot_be_are_asked_again(small: Benchmark, tmp_path: Path, change: dict[str, Any]) -> None:
    def stop(episodes: Any) -> Any:
        if seen.append(1) or len(seen) > 1:
            raise KeyboardInterrupt
        return Bright().segment(episodes)

    seen: list[int] = []
    stopped = Bright()
    stopped.segment = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(stopped, small, tmp_path / "out", workers=1, batch_size=2)
    (log,) = (tmp_path / "out").glob("**/fold0.partial.jsonl")
    names = ("fold", "number", "query", "image", "class_id", "intersection", "predicted", "truth", "valid")
    row = ["0", 0, "thing_00/1", "thing_00/1", 0, 1, 2, 3, 9]
    wrong = [change.get(name, value) for name, value in zip(names, row, strict=True)]
    said = {"batch": 0, "rows": [wrong], "seconds": 0.1, "model_seconds": 0.1, "confused": [], "scores": [0, 0, False]}
    with log.open("a") as file:
        file.write(json.dumps({**said, "sha256": sha256_json(said)}) + "\n")
    with CountLog(log, json.loads(log.read_text().splitlines()[0])) as read:
        assert read.done[0].rows[0][:9] == tuple(wrong)
    run(Bright(), small, tmp_path / "out", workers=1, batch_size=2)
    run(Bright(), small, tmp_path / "whole", workers=1, batch_size=2)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_log_is_one_runs_at_a_time(tmp_path: Path) -> None:
    with (
        CountLog(tmp_path / "log", {}),
        pytest.raises(FsbenchError, match="another run is at work here"),
        CountLog(tmp_path / "log", {}),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": []}, "no fold is asked"),
        ({"if_exists": "bogus"}, "if_exists is 'bogus'"),
        ({"draw_from": "bogus"}, "draw_from is 'bogus'"),
        ({"seed": 1.5}, "--seed 1.5: must be a whole number"),
        ({"threads": 100_000}, "--threads 100000: must be"),
    ],
)
def test_bad_arguments_in_python(small: Benchmark, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(FsbenchError, match=said):
        run(Bright(), small, tmp_path, **options)

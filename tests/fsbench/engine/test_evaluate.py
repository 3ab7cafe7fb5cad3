"""The engine: what a record promises, whatever the workers, the batches, the order of folds, and kills."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
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
from fsbench.records.counts import CountLog, read_counts, rows_digest, write_counts
from fsbench.records.record import Record, read_record
from tests.fsbench.results.saved_records import altered
from tests.fsbench.sample_models import Bright, Masked, Wrong


def run(model: Any, benchmark: Benchmark, out: Path, **options: Any) -> Record:
    return fsbench.evaluate(model, benchmark, out=out, **({"threads": 1, "workers": 2} | options))


def folder(out: Path) -> Path:
    (found,) = out.glob("**/record.json")
    return found.parent


def bytes_of(out: Path) -> dict[str, Any]:
    """Every file of the one record below ``out``; the record without its timings."""
    files = {path.name: path.read_bytes() for path in sorted(folder(out).iterdir())}
    assert set(files) == {"record.json", "counts.parquet", "bootstrap.parquet"}
    record = json.loads(files.pop("record.json"))
    record.pop("timings")
    return files | {"record": record}


@pytest.fixture(scope="module")
def whole(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one uninterrupted run with one worker; not to be changed."""
    out = tmp_path_factory.mktemp("whole")
    run(Bright(), small, out, workers=1)
    return out


@pytest.fixture
def results(whole: Path, tmp_path: Path) -> Path:
    """A copy of ``whole`` that a test may alter."""
    shutil.copytree(whole, tmp_path / "results")
    return tmp_path / "results"


def test_the_record_has_the_scores_of_a_naive_count(small: Benchmark, whole: Path) -> None:
    record = read_record(folder(whole))
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
        scored = record.folds[fold]
        for class_id in small.lists.folds[fold]:
            of_class = scored.classes[small.lists.classes[class_id].key]
            assert (of_class.intersection, of_class.union, of_class.episodes) == (inter[class_id], union[class_id], 10)
            assert of_class.iou == inter[class_id] / union[class_id]
        mious.append(np.mean([inter[c] / union[c] for c in small.lists.folds[fold]]))
        assert scored.miou == pytest.approx(mious[-1], abs=1e-12)
        assert scored.fb_iou == pytest.approx((fg[0] / fg[1] + bg[0] / bg[1]) / 2, abs=1e-12)
        assert scored.ci95 is not None
        assert scored.ci95[0] < scored.miou < scored.ci95[1]
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


def test_workers_change_neither_batches_nor_bytes(small: Benchmark, tmp_path: Path) -> None:
    models = [Bright(), Bright()]
    for workers, model in zip((1, 5), models, strict=True):
        run(model, small, tmp_path / str(workers), workers=workers, batch_size=3)
    assert models[0].seen == models[1].seen
    assert max(map(len, models[0].seen)) == 3
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "5")


def test_folds_run_one_by_one_make_the_whole_record(small: Benchmark, whole: Path, tmp_path: Path) -> None:
    for fold in (2, 0, 3, 1):
        record = run(Bright(), small, tmp_path, folds=fold)
        assert (record.miou is None) == (fold != 1)
    assert bytes_of(tmp_path) == bytes_of(whole)


def test_resume_asks_nothing_again_and_replace_asks_everything(
    small: Benchmark, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = Bright()
    assert run(again, small, results) == read_record(folder(results))
    assert again.seen == []
    assert "exists, nothing was run" in capsys.readouterr().err
    run(again, small, results, if_exists="replace")
    assert sum(map(len, again.seen)) == 80
    assert capsys.readouterr().err == ""
    with pytest.raises(FsbenchError, match=r"record\.json: exists"):
        run(again, small, results, if_exists="error")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda fields: fields["manifests_sha256"].update({"0": "0" * 64}),
            r"record\.json: is of another manifest \(fold 0: 000000000000",
        ),
        (
            lambda fields: fields["benchmark"].update(sources_sha256="1" * 64),
            r"is of another benchmark \(sources_sha256",
        ),
    ],
)
def test_a_results_folder_of_another_run_is_refused(
    small: Benchmark, results: Path, change: Callable[[Any], object], message: str
) -> None:
    altered(folder(results) / "record.json", change)
    with pytest.raises(FsbenchError, match=message):
        run(Bright(), small, results)
    run(Bright(), small, results, if_exists="replace")


def test_a_fold_is_added_only_to_sound_counts_of_the_same_settings(small: Benchmark, tmp_path: Path) -> None:
    run(Bright(), small, tmp_path, folds=0)
    with pytest.raises(FsbenchError, match="made with batch_size 8, this run has 4"):
        run(Bright(), small, tmp_path, folds=1, batch_size=4)
    path = folder(tmp_path) / "counts.parquet"
    write_counts(path, [row._replace(intersection=0) for row in read_counts(path)])
    with pytest.raises(FsbenchError, match=r"counts\.parquet: is not of the record beside it"):
        run(Bright(), small, tmp_path, folds=1)


def test_an_error_halfway_keeps_what_was_counted(small: Benchmark, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(small.roots["root"], raw)
    moved = open_benchmark(small.folder, root=raw)
    query = small.lists.val["2"][7][0]
    photograph = raw / f"{query}.jpg"
    undamaged = photograph.read_bytes()
    photograph.write_bytes(undamaged[: len(undamaged) // 2])
    model = Bright()
    with pytest.raises(FsbenchError, match=str(photograph)):
        run(model, moved, tmp_path / "out", batch_size=2)
    asked = sum(map(len, model.seen))
    assert 0 < asked < 80
    photograph.write_bytes(undamaged)
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
def test_the_sound_lines_of_a_damaged_log_are_resumed(
    small: Benchmark, whole: Path, tmp_path: Path, damage: Any
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Bright(batches=6), small, tmp_path, workers=1)
    (log,) = tmp_path.glob("**/fold1.partial.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) > 2
    log.write_bytes(b"".join(damage(lines)))
    model = Bright()
    run(model, small, tmp_path, workers=1)
    assert sum(map(len, model.seen)) < 80
    assert bytes_of(tmp_path) == bytes_of(whole)


def test_a_log_of_other_settings_is_not_resumed(small: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Bright(batches=0), small, tmp_path, batch_size=4)
    (log,) = tmp_path.glob("**/fold0.partial.jsonl")
    header = log.read_text()
    log.write_text(header + '{"batch": 0, "rows": [], "seconds": 1, "model_seconds": 1}\n')
    model = Bright()
    run(model, small, tmp_path, batch_size=8)
    assert sum(map(len, model.seen)) == 80


def test_0_shots_for_a_mask_model_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"masked needs support masks.*-k 1"):
        fsbench.evaluate(Masked(), tmp_path / "no benchmark here", shots=0)


HEIGHT, WIDTH = 24, 32


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda e: torch.zeros(1, HEIGHT, WIDTH), "returned 1 answers to 8 episodes|expected"),
        (lambda e: None, "returned NoneType, expected a sequence"),
        (lambda e: np.zeros((1, 4, 4)), "returned 1 answers to 8 episodes|expected"),
        (lambda e: sys.exit(3), "segment raised SystemExit: 3"),
        (lambda e: 1 / 0, r"segment raised ZeroDivisionError: division by zero \(test_evaluate.py line"),
    ],
)
def test_invalid_answers_are_refused(small: Benchmark, tmp_path: Path, answer: Any, expected: str) -> None:
    with pytest.raises(ModelError, match=expected) as caught:
        run(Wrong(answer), small, tmp_path)
    message = str(caught.value)
    assert message.startswith("model wrong, ")
    assert "episode" in message
    assert "expected" in message
    assert "\n" not in message
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


def test_torch_threads_and_device_are_set_for_the_model(small: Benchmark, tmp_path: Path) -> None:
    class Watched(Bright):
        moved: str | None = None
        threads: int | None = None

        def to(self, device: str) -> None:
            self.moved = device

        def segment(self, episodes: Any) -> list[torch.Tensor]:
            self.threads = torch.get_num_threads()
            return super().segment(episodes)

    model, before = Watched(), torch.get_num_threads()
    record = run(model, small, tmp_path, threads=3, device="cpu", folds=(0, 1))
    assert (model.moved, model.threads, record.environment.threads) == ("cpu", 3, 3)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(
            ({name: 0}, rf"{name.replace('_', '.')} 0: must be")
            for name in ("batch_size", "limit", "workers", "threads")
        ),
        *(({name: -1}, rf"{name} -1: must be") for name in ("shots", "seed")),
        ({"seed": 1.5}, "--seed 1.5: must be a whole number"),
        ({"threads": 100_000}, "--threads 100000: must be"),
        ({"folds": []}, "no fold is asked"),
        ({"if_exists": "bogus"}, "if_exists is 'bogus'"),
        ({"draw_from": "bogus"}, "draw_from is 'bogus'"),
        ({"device": "abacus"}, "--device abacus: unknown"),
    ],
)
def test_bad_arguments(small: Benchmark, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FsbenchError, match=message):
        run(Bright(), small, tmp_path, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there(small: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match=r"--device cuda: not on this machine"):
        run(Bright(), small, tmp_path, device="cuda")


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: fields.pop("protocol"),
        lambda fields: fields.update(schema="fsbench-record/2"),
        lambda fields: fields["folds"]["0"].update(miou=1.5),
        lambda fields: fields["folds"]["0"].update(miou=float("nan")),
        lambda fields: fields.update(unknown=1),
        lambda fields: fields["model"].update(name="../evil"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(results: Path, damage: Any) -> None:
    path = folder(results) / "record.json"
    altered(path, damage)
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


def test_a_replacement_that_fails_leaves_the_record(small: Benchmark, whole: Path, results: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Bright(batches=0), small, results, if_exists="replace")
    for log in results.glob("**/*.partial.jsonl"):
        log.unlink()
    assert bytes_of(results) == bytes_of(whole)


@pytest.mark.parametrize("change", [{}, {"intersection": 10**6}, {"class_id": 7}, {"image": "x"}, {"number": 3}])
def test_impossible_log_rows_are_asked_again(small: Benchmark, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Bright(batches=0), small, tmp_path, batch_size=1)
    (log,) = tmp_path.glob("**/fold0.partial.jsonl")
    sound = {"fold": "0", "number": 0, "query": "thing_00/1", "image": "thing_00/1", "class_id": 0}
    sound |= {"intersection": 1, "predicted": 2, "truth": 3, "valid": 9}
    row = list((sound | change).values())
    batch = {"batch": 0, "rows": [row], "seconds": 0.1, "model_seconds": 0.1, "confused": [], "scores": [0, 0, False]}
    with log.open("a") as file:
        file.write(json.dumps({**batch, "sha256": sha256_json(batch)}) + "\n")
    with CountLog(log, json.loads(log.read_text().splitlines()[0])) as read:
        assert read.done[0].rows[0][:9] == tuple(row)
    model = Bright()
    run(model, small, tmp_path, batch_size=1)
    assert sum(map(len, model.seen)) == (80 if change else 79)


def test_a_log_is_one_runs_at_a_time(tmp_path: Path) -> None:
    with (
        CountLog(tmp_path / "log", {}),
        pytest.raises(FsbenchError, match="another run is at work here"),
        CountLog(tmp_path / "log", {}),
    ):
        pass

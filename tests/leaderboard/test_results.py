"""What a folder of records is read as: what contradicts itself is refused in one line, and the others go on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsbench.errors import FsbenchError
from leaderboard.results import find_records, read_results
from tests.leaderboard.sample_records import Change, altered, at, write

FAULTS: dict[str, tuple[Change, str]] = {
    "a better IoU": (at("folds", "0", "classes", "class_0", "iou", value=0.999), "fold 0, class class_0: IoU 0.999"),
    "more hits than there can be": (
        lambda said: said["folds"]["0"]["classes"]["class_0"].update(iou=1.0, intersection=10, union=5),
        "IoU 1.0 of 10 / 5",
    ),
    "a better fold": (at("folds", "1", "miou", value=0.999), "fold 1: mIoU 0.999 is not the mean of its classes"),
    "a better mean": (at("miou", value=0.999), "miou 0.999 is not the mean over folds"),
    "a better FB-IoU": (at("fb_iou", value=0.999), "fb_iou 0.999 is not the mean over folds"),
    "no mean": (at("miou", value=None), "miou None is not the mean over folds"),
    "a narrower interval": (at("ci95", value=[0.49, 0.51]), "do not give the interval of the record"),
    "another score of its own": (
        at("other", value={"miou": {"score": 0.99, "ci95": None}}),
        "a score 'miou', which no protocol has",
    ),
    "another score in a fold": (
        at("folds", "0", "other", value={"rank": {"score": 0.99, "ci95": None}}),
        "a score 'rank', which no protocol has",
    ),
    "a better other score": (
        at("other", value={"imagewise": {"score": 0.99, "ci95": None}}),
        "imagewise 0.99 is not the mean over folds",
    ),
    "more counted than asked": (at("folds", "0", "asked", value=1), "30 episodes counted of 1 asked of 30 drawn"),
    "a fold that is none": (lambda said: said["folds"].update(x=said["folds"].pop("1")), "its folds are none"),
    "no folds": (lambda said: said.update(folds={}), "its folds are none"),
    "a protocol that is none": (at("protocol", value="mine"), "is of protocol 'mine', which is not known here"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_contradiction_is_refused_in_one_line(fault: str, tmp_path: Path) -> None:
    change, said = FAULTS[fault]
    write(tmp_path, "good", 0.5)
    write(tmp_path, "bad", 0.5, change)
    results = read_results(tmp_path)
    assert [entry.place for entry in results.entries] == ["good"]
    (line,) = results.refused
    assert said in line
    assert "bad" in line
    assert "\n" not in line


def test_replicates_that_are_none_are_refused(tmp_path: Path) -> None:
    """Those of a made-up record that are broken in other ways are in ``broken_records``."""
    path = write(tmp_path, "bad", 0.5).parent / "bootstrap.parquet"
    for columns in ({"miou": [0.5], "fb_iou": [0.5]}, {"fb_iou": [0.5] * 10_000}):
        pq.write_table(pa.table(columns), path)
        assert len(read_results(tmp_path).refused) == 1
    path.write_text("{}")
    (line,) = read_results(tmp_path).refused
    assert "cannot be read as replicates" in line


def test_an_untouched_record_is_read_with_its_replicates(tmp_path: Path) -> None:
    write(tmp_path, "good", 0.5)
    (entry,) = read_results(tmp_path).entries
    assert entry.replicates is not None
    assert entry.replicates.shape == (10_000,)
    assert entry.fb_ci95 is not None
    assert entry.fb_ci95[0] < (entry.record.fb_iou or 0.0) < entry.fb_ci95[1]


def test_a_folder_that_is_none_or_empty_is_said(tmp_path: Path) -> None:
    with pytest.raises(FsbenchError, match="is no folder"):
        read_results(tmp_path / "no")
    with pytest.raises(FsbenchError, match=r"holds no record\.json"):
        read_results(tmp_path)


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "outside", 0.5)
    write(tmp_path / "results", "inside", 0.5)
    (tmp_path / "results" / "link").symlink_to(tmp_path / "elsewhere")
    assert len(find_records(tmp_path / "results")) == 1


def test_a_name_that_turns_the_line_around_is_shown_as_its_number(tmp_path: Path) -> None:
    path = write(tmp_path, "bad", 0.5, place="a\u202eb")
    altered(path, at("miou", value=0.9))
    (line,) = read_results(tmp_path).refused
    assert "\u202e" not in line
    assert "<U+202E>" in line

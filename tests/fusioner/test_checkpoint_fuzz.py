"""Damage to weights, cards, golden files and encoders is noticed: the right numbers come out, or a one-line error."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.utils.sha import git_hash
from safetensors.torch import save_file

from fsbench.errors import FsbenchError
from fsbench.training.report import CARD, CHECKPOINT, REPORT
from fusioner.checkpoint import read_checkpoint
from fusioner.encoders import language
from fusioner.encoders.weights import Source, fetch, read
from fusioner.golden import read_golden
from tests.fsbench.training.test_fuzz import plain
from tests.fusioner.naive_fusioner import write_golden
from tests.fusioner.test_encoders_language import bert_folder
from tests.fuzz.targets import Target
from tests.fuzz.test_fuzz import fuzz
from tests.hostile_files import check_refused

SHORT, LONG = 300, 5_000


def of_checkpoint(folder: Path, *, with_report: bool) -> list[Target]:
    """Nothing proves a card without its report, but what it says of weights and classes must be theirs."""

    def loaded() -> object:
        meta, tensors, card = read_checkpoint(folder)
        proved = card if with_report else (card.weights_sha256, sorted(card.training["*"].training_classes))
        return meta, plain(tensors), proved

    names = (CHECKPOINT, CARD, REPORT) if with_report else (CHECKPOINT, CARD)
    title = "fold" if with_report else "copied fold"
    return [Target(f"{title}: {name}", folder / name, loaded, is_json=name != CHECKPOINT) for name in names]


def of_golden(folder: Path) -> Target:
    path = write_golden(folder / "golden.npz", d=4, layers=1, grid=2, target=4)

    def loaded() -> object:
        golden = read_golden(path)
        return golden.config, golden.grid, golden.target, plain(golden.arrays)

    return Target("golden file", path, loaded)


def of_weights(folder: Path) -> list[Target]:
    """Foreign weights: only PyTorch's archives have checksums, so that others may be read as other weights."""
    state = {"a.weight": torch.arange(60.0).reshape(6, 10), "b": torch.ones(3, dtype=torch.int64)}
    archive, legacy, safe = (folder / name for name in ("archive.pth", "legacy.pth.tar", "w.safetensors"))
    torch.save({"state_dict": state, "epoch": 3}, archive)
    torch.save({"state_dict": state, "epoch": 3}, legacy, _use_new_zipfile_serialization=False)
    save_file(state, safe)
    return [
        Target(path.name, path, lambda path=path: plain(read(path)), fresh=path != archive)  # type: ignore[misc]
        for path in (archive, legacy, safe)
    ]


def of_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """Files of the hub's cache: links to blobs that are named by a hash."""
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(folder / "snapshot"))
    (folder / "snapshot").mkdir(parents=True)
    found = []
    source = Source("some", "page", "config.json", "org/some")
    for name, data in (("config.json", b'{"a": [1, 2, 3]}'), ("model.safetensors", bytes(range(256)))):
        blob = folder / (git_hash(data) if name == "config.json" else hashlib.sha256(data).hexdigest())
        blob.write_bytes(data)
        (folder / "snapshot" / name).symlink_to(blob)
        found.append(Target(f"cached {name}", blob, lambda blob=blob: (fetch(source), blob.read_bytes())))  # type: ignore[misc]
    return found


@pytest.fixture
def targets(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    whole, copied = tmp_path / "whole", tmp_path / "copied"
    shutil.copytree(trained, whole)
    shutil.copytree(trained, copied, ignore=shutil.ignore_patterns(REPORT))
    of_folds = [*of_checkpoint(whole, with_report=True), *of_checkpoint(copied, with_report=False)]
    return [*of_folds, of_golden(tmp_path), *of_weights(tmp_path), *of_hub(tmp_path / "hub", monkeypatch)]


def test_300_mutations(targets: list[Target]) -> None:
    assert sum(fuzz(targets, SHORT).values()) == SHORT


@pytest.mark.long
def test_5000_mutations(targets: list[Target]) -> None:
    assert sum(fuzz(targets, LONG).values()) == LONG


def test_pipes_devices_and_gigabytes_of_nothing_are_refused(targets: list[Target]) -> None:
    for target in targets:
        if not target.name.startswith("cached"):
            check_refused(target.file, target.read)


def test_an_archive_that_claims_to_be_huge_is_not_unpacked(tmp_path: Path) -> None:
    """Zeros shrink a thousandfold: few bytes on disk, gigabytes in memory. The size is claimed, the bytes are few."""
    path = write_golden(tmp_path / "golden.npz")
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")  # of the last member, in the central directory (APPNOTE 4.3.12)
    data[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FsbenchError, match=r"golden\.npz: its arrays have \d+ bytes, at most 4294967296 are read"):
        read_golden(path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_a_damaged_text_encoder_is_one_line(name: str, tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "small")
    target = Target(name, folder / name, lambda: language.load(f"hf:{folder}", None), fresh=True)
    whole = target.file.read_bytes()
    for data in (whole.rstrip()[:-1], whole[: len(whole) // 2], b"", b"[]", bytes(len(whole))):
        target.file.write_bytes(data)
        with pytest.raises(FsbenchError) as caught:
            target.read()
        assert "\n" not in str(caught.value)
        assert str(folder if data == b"[]" else target.file) in str(caught.value)
    target.file.write_bytes(whole)
    check_refused(target.file, target.read, named=folder if name == "config.json" else None)

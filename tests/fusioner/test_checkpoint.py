"""A Fusioner on disk: its contents, and a one-line error for every other file."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fsbench.errors import FsbenchError
from fsbench.io.files import sha256_file
from fsbench.training.tensors import read_tensors, write_tensors
from fusioner.checkpoint import KEY, load_weights, read_checkpoint
from fusioner.fusion import FusionConfig
from fusioner.segmenter import Segmenter
from fusioner.windows import Tiling
from tests.fusioner.small_model import SIZE, SmallVisual, small_encoders

Change = Callable[[dict[str, Tensor], dict[str, Any]], None]


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained fold, to be damaged."""
    for name in ("model.safetensors", "card.json"):
        shutil.copy(trained / name, tmp_path / name)
    return tmp_path


def sealed(folder: Path) -> None:
    """Let the card say the digest of the weights as they are: an attacker's files agree with one another."""
    card = json.loads((folder / "card.json").read_text())
    card["weights_sha256"] = sha256_file(folder / "model.safetensors")
    card["training"]["*"]["checkpoint_sha256"] = card["weights_sha256"]
    (folder / "card.json").write_text(json.dumps(card))


def rewritten(folder: Path, change: Change) -> None:
    """Write the weights anew with something changed in tensors or header, and a card that agrees."""
    tensors, header = read_tensors(folder / "model.safetensors")
    meta = json.loads(header[KEY])
    change(tensors, meta)
    write_tensors(folder / "model.safetensors", tensors, {KEY: json.dumps(meta)})
    sealed(folder)


def refused(folder: Path, said: str) -> None:
    with pytest.raises(FsbenchError, match=said) as caught:
        read_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_what_was_trained_comes_back(trained: Path) -> None:
    meta, tensors, card = read_checkpoint(trained)
    assert (meta.fold, meta.fold_classes) == ("1", ("thing 02", "thing 03"))
    assert (meta.visual, meta.text, meta.prompts) == ("small-visual", "small-text", "name")
    assert meta.centred_on == tuple(f"thing {n:02d}" for n in (0, 1, 4, 5, 6, 7))
    assert meta.eyes == Tiling("square", SIZE, SIZE)
    assert meta.sizes == FusionConfig(8, 6, 8, 2, 2, dropout=0.1, drop_path=0.1, scales=(1, 1, 2))
    assert card.name == "fusioner-small-visual-small-text-early-quick"
    model = load_weights(meta, tensors)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())
    again = json.loads(meta.header()[KEY])
    assert again == json.loads(read_tensors(trained / "model.safetensors")[1][KEY])
    assert {name.partition(".")[0] for name in tensors} == {"fusion", "decoder"}, "no frozen weight"
    numbers = sum(tensor.numel() for tensor in tensors.values())
    assert (card.trained_parameters, card.total_parameters) == (numbers, numbers + 11 + 13)
    assert 0 < (trained / "model.safetensors").stat().st_size - 4 * numbers < 8192, "a header, and nothing else"
    assert (meta.visual_sha256, meta.text_sha256) == ("ab" * 32, "cd" * 32)


def test_one_altered_byte_is_seen(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for place in (0, 13, 390, len(whole) - 4000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(folder, r"model\.safetensors: was altered, or does not belong to .*card\.json")


def scaled(**sizes: Any) -> Change:
    return lambda tensors, meta: meta["sizes"].update(sizes)


def named(**values: Any) -> Change:
    return lambda tensors, meta: meta.update(values)


def exchanged(name: str, made: Callable[[Tensor], Tensor]) -> Change:
    return lambda tensors, meta: tensors.update({name: made(tensors[name])})


def infinite(tensor: Tensor) -> Tensor:
    changed = tensor.clone()
    changed.view(-1)[0] = torch.inf
    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (exchanged("fusion.norm.weight", lambda t: t[:-1]), r"is torch.float32 \(7,\), expected .*8,"),
        (exchanged("fusion.norm.weight", Tensor.half), "fusion.norm.weight is torch.float16"),
        (exchanged("fusion.norm.weight", lambda t: t * torch.nan), "fusion.norm.weight holds numbers that are not"),
        (exchanged("decoder.conv_0.weight", infinite), "decoder.conv_0.weight holds numbers that are not finite"),
        (lambda tensors, meta: tensors.pop("fusion.cls_emb"), "fusion.cls_emb is missing"),
        (lambda tensors, meta: tensors.update({"visual.w": torch.ones(2)}), "'visual.w' is not part of a Fusioner"),
        (lambda tensors, meta: tensors.update({"a\nb": torch.ones(2)}), r"'a\\nb' is not part of a Fusioner"),
        (scaled(layers=3), "fusion.blocks.2.* is missing"),
        (scaled(d_model=16), r"decoder.conv_0.bias is torch.float32 \(8,\), expected torch.float32 \(16,\)"),
        (scaled(d_model=16384, layers=64, visual_dim=16384), "expected torch.float32|is missing"),
        (scaled(d_model=10**12), "sizes.d_model"),
        (scaled(layers=10**9), "sizes.layers"),
        (scaled(heads=3), "is no Fusioner: d_model 8 is no multiple of heads 3"),
        (scaled(scales=[2, 2, 8]), r"is no Fusioner: scales are \(2, 2, 8\)"),
        (scaled(temperature=0.0), "is no Fusioner: temperature is 0.0"),
        (scaled(temperature=float("nan")), "is no Fusioner"),
        (scaled(code="print"), "sizes.code: Unexpected keyword"),
        (named(schema="fusioner-checkpoint/2"), "is no fusioner-checkpoint/1: schema"),
        (named(visual_sha256="short"), "visual_sha256: String should match"),
        (named(visual="timm:resnet50=/etc/passwd"), "visual: String should match"),
        (named(text="bert-base=../weights"), "text: String should match"),
        (named(fold_classes=["x" * 401]), "fold_classes.0: String should have at most 400"),
        (named(eyes={"kind": "windows", "size": 32, "step": 33}), "eyes: .*step 33 leaves gaps between windows of 32"),
        (named(eyes={"kind": "windows", "size": 10**9, "step": 1}), "eyes.size"),
        (lambda tensors, meta: meta.pop("prompts"), "prompts: Field required"),
    ],
)
def test_consistent_files_without_a_fusioner_are_refused(folder: Path, change: Change, said: str) -> None:
    rewritten(folder, change)
    refused(folder, said)


@pytest.mark.parametrize("header", [{}, {"width": "6"}, {KEY: "5"}, {KEY: 5}, {KEY: None}, [1, 2], "text", 7])
def test_weights_of_something_else_are_refused(folder: Path, header: Any) -> None:
    tensors, _ = read_tensors(folder / "model.safetensors")
    write_tensors(folder / "model.safetensors", tensors, header)
    sealed(folder)
    refused(folder, "has no entry 'fusioner'|is no fusioner-checkpoint/1|must hold texts by name")


def test_endless_and_huge_headers_are_refused(folder: Path) -> None:
    from safetensors.torch import save_file

    path = folder / "model.safetensors"
    whole, deep = path.read_bytes(), "[" * 200_000
    tensor = {"fusion.cls_emb": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}
    text = json.dumps(tensor).encode()
    files = [length.to_bytes(8, "little") + whole[8:] for length in (2**63 - 1, 2**40, 10**8)]
    for data in (*files, len(text).to_bytes(8, "little") + text + bytes(64), None):
        if data is None:
            save_file({"a": torch.ones(1)}, path, metadata={"fsbench": deep})
        else:
            path.write_bytes(data)
        sealed(folder)
        refused(folder, "cannot be read as safetensors")
    (folder / "card.json").write_text(deep)
    refused(folder, r"card\.json: is not a model card")


def test_a_file_larger_than_any_fusioner_is_not_opened(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(2 * 2**30 + 1)  # sparse: takes no room
    refused(folder, "is larger than 2048 MiB")


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
def test_a_pickle_by_another_name_is_refused_and_never_unpickled(folder: Path, kind: str) -> None:
    gone_off = folder / "gone off"
    path = folder / "model.safetensors"
    buffer = io.BytesIO()
    if kind == "pickle":
        pickle.dump(Bomb(gone_off), buffer)
    elif kind == "torch":
        torch.save({"state_dict": Bomb(gone_off)}, buffer)
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Bomb(gone_off)))
    path.write_bytes(buffer.getvalue())
    sealed(folder)
    refused(folder, "cannot be read as safetensors")
    assert not gone_off.exists()
    if kind == "pickle":
        pickle.loads(path.read_bytes())  # noqa: S301 - the bomb is a real one
        assert gone_off.exists()


def test_missing_and_foreign_cards_are_refused(folder: Path) -> None:
    """A card with other training classes would pass for a model that never saw the tested ones."""
    card = folder / "card.json"
    published = card.read_text()
    classes = json.loads(published)
    classes["training"]["*"]["training_classes"][0] = "another thing"
    for text, message in (
        (json.dumps(json.loads(published) | {"training": {}}), "was altered, or does not belong to"),
        (json.dumps(classes), "names other training classes than the weights"),
        ('{"name": "x"}', r"card\.json: is not a model card"),
        ("\x00", r"card\.json: is not a model card"),
    ):
        card.write_text(text)
        refused(folder, message)
    card.unlink()
    refused(folder, r"card\.json: cannot be read .*: expected a model card: copy it from where")
    (folder / "model.safetensors").unlink()
    refused(folder, r"model\.safetensors: is missing: expected the folder of a fold")


@pytest.mark.parametrize("part", ["visual", "text"])
def test_other_weights_of_an_encoder_are_refused(folder: Path, part: str) -> None:
    with (
        small_encoders(visual="ef" * 32) if part == "visual" else small_encoders(text="ef" * 32),
        pytest.raises(
            FsbenchError, match=f"was trained with other weights of small-{part} .*, here efefefef"
        ) as caught,
    ):
        Segmenter(folder)
    assert "\n" not in str(caught.value)
    with small_encoders():
        assert Segmenter(folder)._visual.spec is SmallVisual.spec

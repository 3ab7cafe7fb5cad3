"""Finding, reading and loading weights, and the messages where that fails."""

from __future__ import annotations

import collections
import hashlib
import os
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import save_file

from fsbench.errors import FsbenchError
from fusioner.encoders import load_text, load_visual
from fusioner.encoders.weights import Source, digest, fetch, fill, find, read

TEXT_FILES = "config.json, model.safetensors and the tokenizer's files"
SOURCE = Source("timm:some", "https://example.org/some", "model.safetensors", "org/some")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FSBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("long\nstory") from ConnectionError("Name or service not known.\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


def one_line(error: pytest.ExceptionInfo[FsbenchError]) -> str:
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
    return str(error.value)


def test_a_file_is_found_at_the_path_then_under_home(home: Path, tmp_path: Path, no_network: None) -> None:
    mine = tmp_path / "mine.pth"
    mine.touch()
    assert find(SOURCE, mine) == mine
    with pytest.raises(FsbenchError, match=r"nothing\.pth: the weights given for timm:some do not exist"):
        find(SOURCE, tmp_path / "nothing.pth")
    put = home / "encoders" / "timm" / "some" / "model.safetensors"
    put.parent.mkdir(parents=True)
    put.touch()
    assert find(SOURCE) == put


def test_without_network_one_line_says_what_to_put_where(home: Path, no_network: None) -> None:
    with pytest.raises(FsbenchError) as error:
        find(SOURCE)
    folder = home / "encoders" / "timm" / "some"
    assert one_line(error) == (
        f"timm:some: no weights at {folder / 'model.safetensors'} and none could be fetched (Name or service not "
        f"known): get model.safetensors from https://example.org/some into {folder}, or name the path: timm:some=PATH"
    )


@pytest.mark.parametrize(
    ("name", "file", "page"),
    [
        ("clip-vit-b-16", "open_clip_model.safetensors", "huggingface.co/timm/vit_base_patch16_clip_224.openai"),
        ("clip-vit-l-14", "open_clip_model.safetensors", "huggingface.co/timm/vit_large_patch14_clip_224.openai"),
        ("clip-rn101", "open_clip_model.safetensors", "huggingface.co/timm/resnet101_clip.openai"),
        ("dino-vit-b-16", "model.safetensors", "huggingface.co/timm/vit_base_patch16_224.dino"),
        ("moco-v3-vit-b-16", "vit-b-300ep.pth.tar", "github.com/facebookresearch/moco-v3"),
        ("timm:resnet18", "model.safetensors", "huggingface.co/timm/resnet18.a1_in1k"),
        *((name, TEXT_FILES, "huggingface.co/google-bert/") for name in ("bert-base", "bert-large")),
        *((name, TEXT_FILES, f"huggingface.co/{name[3:]}") for name in ("hf:org/some", "hf:no such name")),
    ],
)
def test_missing_weights_are_named_with_their_page(
    name: str, file: str, page: str, home: Path, no_network: None
) -> None:
    with pytest.raises(FsbenchError) as error:
        (load_text if file == TEXT_FILES else load_visual)(name)
    folder = home.joinpath("encoders", *name.split(":"))
    assert f"get {file} from https://{page}" in one_line(error)
    assert f" into {folder}, or name the path: {name}=PATH" in one_line(error)


def test_errors_of_the_hub_are_one_line(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FsbenchError, match=r"none could be fetched \(.*offline mode is enabled") as error:
        fetch(SOURCE)
    one_line(error)
    of_the_network: Any = RepositoryNotFoundError.__mro__[2]
    assert not issubclass(of_the_network, OSError)

    def broken(*_: object, **__: object) -> str:
        raise of_the_network("read timed out")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
    with pytest.raises(FsbenchError, match=r"\(read timed out\)"):
        fetch(SOURCE)
    asked: list[Any] = []

    def fetched(repo: str, allow_patterns: list[str]) -> str:
        asked.append((repo, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    with pytest.raises(FsbenchError, match=r"\(org/some has no model\.safetensors or only part of it was fetched\)"):
        fetch(SOURCE)
    (tmp_path / "model.safetensors").touch()
    assert fetch(SOURCE) == tmp_path
    assert asked == [("org/some", ["model.safetensors"])] * 2


class Trap:
    """Would run a command if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.ones(1)}, "x": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(FsbenchError, match=r"trap\.pth: is no checkpoint of plain tensors") as error:
        read(tmp_path / "trap.pth")
    one_line(error)
    assert not (tmp_path / "trapped").exists()


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "ViT-B-16.pt")
    with pytest.raises(FsbenchError, match=r"ViT-B-16\.pt: is no checkpoint of plain tensors \(.*TorchScript"):
        read(tmp_path / "ViT-B-16.pt")


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
def test_a_broken_file_is_refused(name: str, tmp_path: Path) -> None:
    for content in (b"", b"not a checkpoint", b"\x80\x02."):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FsbenchError, match=r"x\.\w+: is no (safetensors file|checkpoint of plain)") as error:
            read(tmp_path / name)
        one_line(error)


def test_damaged_tensors_and_files_without_any_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(60.0)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(torch.arange(60.0).numpy().tobytes()) + 7] ^= 1
    path.write_bytes(data)
    with pytest.raises(FsbenchError, match=r"x\.pth: is no checkpoint .*record \w+/data/0 is damaged"):
        read(path)
    for content in ({"epoch": 3}, [1, 2], {"state_dict": {}}):
        torch.save(content, path)
        with pytest.raises(FsbenchError, match=r"x\.pth: holds no named tensors"):
            read(path)


def test_both_forms_of_file_read_the_same(tmp_path: Path) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}
    save_file(state, tmp_path / "x.safetensors")
    torch.save({"model": collections.OrderedDict(state), "epoch": 1}, tmp_path / "x.pth.tar")
    for name in ("x.safetensors", "x.pth.tar"):
        made = read(tmp_path / name)
        assert made.keys() == state.keys()
        assert all(torch.equal(made[k], state[k]) for k in state)


def test_fill_takes_all_tensors_or_none() -> None:
    with torch.device("meta"):
        net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    whole = {k: torch.ones(v.shape, dtype=torch.float16) for k, v in net.state_dict().items() if "tracked" not in k}
    fill(net, whole | {"head.weight": torch.ones(1)}, "x", spare=("head.",))
    assert net[0].weight.dtype == torch.float32
    assert torch.equal(net.eval()(torch.ones(1, 2)), (torch.full((1, 3), 3.0) - 1) / (1 + net[1].eps) ** 0.5 + 1)
    with pytest.raises(FsbenchError, match=r"^x: has the weights of another network: has unknown head\.weight$"):
        fill(net, whole | {"head.weight": torch.ones(1)}, "x")
    with pytest.raises(FsbenchError, match=r"^x: has the weights of another network: lacks 0\.bias and 1 more$"):
        fill(net, {k: v for k, v in whole.items() if not k.startswith("0.")}, "x")
    with pytest.raises(FsbenchError, match=r"0\.bias is \(4,\), expected \(3,\)$"):
        fill(net, whole | {"0.bias": torch.ones(4)}, "x")


def test_the_digest_is_spelled_out() -> None:
    weights = {"b": torch.tensor([1.5]), "a": torch.tensor([[1, 2]]), "bn.num_batches_tracked": torch.tensor(7)}
    spelled = b"a torch.int64 (1, 2)\n" + (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    spelled += b"b torch.float32 (1,)\n" + b"\x00\x00\xc0\x3f"
    assert digest(weights) == hashlib.sha256(spelled).hexdigest()
    assert digest({"a": torch.zeros(2)}) != digest({"c": torch.zeros(2)})
    assert digest({"a": torch.zeros(2)}) != digest({"a": torch.zeros(2, 1)})
    assert digest({"a": torch.zeros(4, 3).t()}) == digest({"a": torch.zeros(3, 4)})

"""DINO, MoCo v3 and other models of timm with random weights; the named ones also at full size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor
from torch.nn.functional import normalize

from fsbench.errors import FsbenchError
from fusioner.encoders import load_visual, visual_spec
from fusioner.encoders.timm_models import MOCO, NAMED, network, source
from fusioner.encoders.weights import under
from tests.fusioner.random_weights import random_images, random_state

SMALL = "timm:vit_tiny_patch16_224"


def shapes(model: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(timm.create_model(model, num_classes=0).state_dict())


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Weights of ``SMALL``."""
    return random_state(shapes("vit_tiny_patch16_224"), seed=4)


@pytest.fixture(params=["vit_tiny_patch16_224", pytest.param("vit_base_patch16_224", marks=pytest.mark.long)])
def model(request: pytest.FixtureRequest) -> str:
    """timm's name of the network that the two named encoders are: a small one, and the published one in ``long``."""
    return str(request.param)


def normed_pixels(name: str, x: Tensor) -> Tensor:
    spec = visual_spec(name)
    return (x - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]


def check_tokens(encoder: Any, model: str, state: dict[str, Tensor]) -> None:
    """Tokens are the patches of timm's own network, made in the plain way, with the same weights in half precision."""
    with torch.device("meta"):
        net = timm.create_model(model, num_classes=0)
    net.load_state_dict({k: v.half().float() for k, v in state.items()}, assign=True)
    assert all(torch.equal(v, encoder._net.state_dict()[k]) for k, v in net.state_dict().items())
    x = random_images(1, 3, 224, 224)
    with torch.no_grad():
        expected = net.eval().forward_features(normed_pixels(encoder.spec.name, x))[:, 1:]
    torch.testing.assert_close(encoder.encode(x), normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)
    assert encoder.encode(random_images(1, 3, 96, 64)).shape == (1, 24, len(state["norm.bias"]))
    assert not encoder._net.training
    assert not any(p.requires_grad for p in encoder._net.parameters())


def test_dino_loads_timms_file_and_gives_patch_tokens(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NAMED, "dino-vit-b-16", model)
    state = random_state(shapes(model), seed=4)
    path = tmp_path / "model.safetensors"
    save_file({k: v.half() for k, v in state.items()}, path)
    check_tokens(load_visual("dino-vit-b-16", weights=path), model, state)


def test_moco_v3_takes_the_base_encoder_of_the_official_checkpoint(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As main_moco.py of moco-v3 saves it: two encoders with projection heads, a predictor, optimizer and scaler."""
    monkeypatch.setitem(NAMED, "moco-v3-vit-b-16", model)
    state = random_state(shapes(model), seed=4)
    saved: dict[str, Tensor] = {}
    for name, factor in (("momentum_encoder", 2.0), ("base_encoder", 1.0)):
        saved |= {f"module.{name}.{k}": (v * factor).half() for k, v in state.items()}
        saved |= {f"module.{name}.head.0.weight": torch.zeros(4, 2), f"module.{name}.head.1.bias": torch.ones(4)}
    saved["module.predictor.0.weight"] = torch.zeros(4, 2)
    optimizer = {"state": {0: {"step": 5, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    path = tmp_path / "vit-b-300ep.pth.tar"
    torch.save({"epoch": 300, "arch": "vit_base", "state_dict": saved, "optimizer": optimizer}, path)
    check_tokens(load_visual("moco-v3-vit-b-16", weights=path), model, state)


def test_moco_v3_prefers_the_base_encoder_and_can_do_without() -> None:
    one, other = torch.ones(1), torch.zeros(1)
    both = {"module.momentum_encoder.norm.bias": other, "module.base_encoder.norm.bias": one, "module.predictor.x": one}
    assert under(both, *MOCO) == {"norm.bias": one}
    assert under({"module.momentum_encoder.norm.bias": other, "module.predictor.x": one}, *MOCO) == {"norm.bias": other}
    assert under({"module.norm.bias": one, "module.head.weight": one}, *MOCO) == {"norm.bias": one, "head.weight": one}


def test_the_catalogue_agrees_with_timm() -> None:
    for name, model in NAMED.items():
        by_timm, ours = visual_spec(f"timm:{model}"), visual_spec(name)
        assert (ours.width, ours.stride, ours.only_size) == (by_timm.width, by_timm.stride, by_timm.only_size)
        if name == "dino-vit-b-16":
            assert (ours.mean, ours.std) == (by_timm.mean, by_timm.std)
            assert source(name).repo == source(f"timm:{model}").repo


def test_any_model_with_a_dense_map_is_described_without_weights() -> None:
    expected = {
        "vit_small_patch14_dinov2": (384, 14, None),
        "vit_small_patch16_dinov3": (384, 16, None),
        "resnet18": (512, 32, None),
        "convnext_atto": (320, 32, None),
        "mixer_s16_224": (512, 16, (224, 224)),
        "swin_tiny_patch4_window7_224": (768, 32, None),
        "tf_efficientnet_lite2": (352, 32, None),
    }
    specs = {model: visual_spec(f"timm:{model}") for model in expected}
    assert {model: (spec.width, spec.stride, spec.only_size) for model, spec in specs.items()} == expected
    with pytest.raises(FsbenchError, match="timm:mixer_s16_224: takes images of 224 x 224 alone, not 448 x 224"):
        specs["mixer_s16_224"].grid(448, 224)


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("vit_small_patch16_dinov3", (64, 96)),
        ("resnet18", (96, 64)),
        ("convnext_atto", (64, 96)),
        ("swin_tiny_patch4_window7_224", (96, 64)),
    ],
)
def test_any_model_with_a_dense_map_makes_tokens_row_by_row(
    model: str, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, create, random_state_before = f"timm:{model}", timm.create_model, torch.get_rng_state()
    # fewer blocks, so that weights take a moment
    fewer = {"vit_small_patch16_dinov3": {"depth": 2}, "swin_tiny_patch4_window7_224": {"embed_dim": 24}}
    monkeypatch.setattr(timm, "create_model", lambda *a, **options: create(*a, **options, **fewer.get(model, {})))
    save_file(network(name).state_dict(), tmp_path / "random.safetensors")
    assert torch.equal(torch.get_rng_state(), random_state_before), "the global generator is left alone"
    encoder: Any = load_visual(name, weights=tmp_path / "random.safetensors")
    x = random_images(1, 3, *size)
    rows, columns = visual_spec(name).grid(*size)
    with torch.no_grad():
        features = encoder._net.forward_features(normed_pixels(name, x))
    if "vit" in name:
        expected = features[:, -rows * columns :]
    else:
        expected = features.flatten(1, 2) if "swin" in name else features.flatten(2).mT
    assert expected.shape[:2] == (1, rows * columns)
    torch.testing.assert_close(encoder.encode(x), normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


def test_positions_are_resized_as_timm_does(state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "random.safetensors")
    x = random_images(1, 3, 64, 96)
    with torch.device("meta"):
        net: Any = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=(64, 96))
    net.load_state_dict(state | {"pos_embed": resample_abs_pos_embed(state["pos_embed"], [4, 6])}, assign=True)
    with torch.no_grad():
        expected = net.eval().forward_features(normed_pixels(SMALL, x))[:, 1:]
    tokens = load_visual(SMALL, weights=tmp_path / "random.safetensors").encode(x)
    torch.testing.assert_close(tokens, normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("form", ["with head", "under model", "several GPUs", "dino"])
def test_a_local_checkpoint_is_loaded_by_path(form: str, tmp_path: Path, state: dict[str, Tensor]) -> None:
    head = {"head.weight": torch.zeros(10, 192), "head.bias": torch.zeros(10)}
    saved: dict[str, Any] = {
        "with head": state | head,
        "under model": {"model": state | head, "epoch": 3},
        "several GPUs": {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        "dino": {
            "student": {"module.backbone.cls_token": torch.zeros(1)},
            "teacher": {f"backbone.{k}": v for k, v in state.items()} | {"head.mlp.0.weight": torch.zeros(2, 2)},
        },
    }[form]
    path = tmp_path / "mine.pth"
    torch.save(saved, path)
    encoder: Any = load_visual(f"{SMALL}={path}")
    assert all(torch.equal(v, encoder._net.state_dict()[k]) for k, v in state.items())
    assert encoder.spec.name == SMALL


def test_weights_with_missing_tensors_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    missing = "blocks.3.attn.qkv.bias", "norm.bias"
    torch.save({k: v for k, v in state.items() if k not in missing}, tmp_path / "part.pth")
    with pytest.raises(FsbenchError, match=r"part\.pth: .* lacks blocks\.3\.attn\.qkv\.bias and 1 more$"):
        load_visual(SMALL, weights=tmp_path / "part.pth")


def test_wrong_names_are_refused_in_a_line() -> None:
    with pytest.raises(FsbenchError, match=r"^timm:vit_nothing: timm \S+ has no model 'vit_nothing': see timm\.list"):
        visual_spec("timm:vit_nothing")
    with pytest.raises(FsbenchError, match=r"^timm:resnet18\.nothing: timm \S+ .*nothing.*: see timm\.list_pretrained"):
        load_visual("timm:resnet18.nothing")

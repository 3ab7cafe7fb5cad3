"""DINO, MoCo v3 and other models of timm, at full size with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch.nn.functional import normalize

from fsbench.errors import FsbenchError
from fusioner.encoders import load_visual, visual_spec
from fusioner.encoders.timm_models import MOCO, NAMED, network, source
from fusioner.encoders.weights import under
from tests.fusioner.random_weights import random_state, random_visual

SMALL = "timm:vit_tiny_patch16_224"


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def shapes(model: str, **options: Any) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return dict(timm.create_model(model, **options).state_dict())


def pixels(name: str, x: torch.Tensor) -> torch.Tensor:
    spec = visual_spec(name)
    return (x - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]


def reference(model: str, state: dict[str, torch.Tensor]) -> Any:
    """timm's own network, made the plain way, for its own size."""
    with torch.device("meta"):
        net = timm.create_model(model, num_classes=0)
    net.load_state_dict(state, assign=True)
    return net.eval()


def test_dino_loads_timms_file_and_gives_patch_tokens(tmp_path: Path) -> None:
    state = random_state(shapes("vit_base_patch16_224.dino", num_classes=0), seed=2)
    path = tmp_path / "model.safetensors"
    save_file({k: v.half() for k, v in state.items()}, path)
    encoder: Any = load_visual("dino-vit-b-16", weights=path)
    path.unlink()
    x = images(1, 3, 224, 224)
    net = reference("vit_base_patch16_224.dino", {k: v.half().float() for k, v in state.items()})
    with torch.no_grad():
        expected = net.forward_features(pixels("dino-vit-b-16", x))[:, 1:]
    tokens = encoder.encode(x)
    assert tokens.shape == (1, 196, 768)
    torch.testing.assert_close(tokens, normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)
    assert not encoder._net.training
    assert not any(p.requires_grad for p in encoder._net.parameters())


def moco_checkpoint() -> dict[str, Any]:
    """As main_moco.py of moco-v3 saves it: two encoders with projection heads, a predictor, optimizer and scaler."""
    vit = shapes("vit_base_patch16_224", num_classes=0)
    state = {}
    for number, name in enumerate(("momentum_encoder", "base_encoder")):
        state |= {f"module.{name}.{k}": v.half() for k, v in random_state(vit, seed=number).items()}
        state |= {
            f"module.{name}.head.0.weight": torch.zeros(4096, 768),
            f"module.{name}.head.1.bias": torch.ones(4096),
        }
    state["module.predictor.0.weight"] = torch.zeros(4096, 256)
    optimizer = {"state": {0: {"step": 5, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    return {"epoch": 300, "arch": "vit_base", "state_dict": state, "optimizer": optimizer, "scaler": {"scale": 65536.0}}


def test_moco_v3_takes_the_base_encoder_of_the_official_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "vit-b-300ep.pth.tar"
    torch.save(moco_checkpoint(), path)
    encoder: Any = load_visual("moco-v3-vit-b-16", weights=path)
    path.unlink()
    base = random_state(shapes("vit_base_patch16_224", num_classes=0), seed=1)
    net = reference("vit_base_patch16_224", {k: v.half().float() for k, v in base.items()})
    assert all(torch.equal(v, encoder._net.state_dict()[k]) for k, v in net.state_dict().items())
    x = images(1, 3, 224, 224)
    with torch.no_grad():
        expected = net.forward_features(pixels("moco-v3-vit-b-16", x))[:, 1:]
    torch.testing.assert_close(encoder.encode(x), normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)
    assert encoder.encode(images(1, 3, 96, 64)).shape == (1, 24, 768)


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


@pytest.mark.parametrize(
    ("name", "width", "stride", "only"),
    [
        (SMALL, 192, 16, None),
        ("timm:vit_small_patch14_dinov2", 384, 14, None),
        ("timm:vit_small_patch16_dinov3", 384, 16, None),
        ("timm:resnet18", 512, 32, None),
        ("timm:convnext_atto", 320, 32, None),
        ("timm:mixer_s16_224", 512, 16, (224, 224)),
        ("timm:swin_tiny_patch4_window7_224", 768, 32, None),
        ("timm:tf_efficientnet_lite2", 352, 32, None),
    ],
)
def test_any_model_with_a_dense_map_is_described_without_weights(
    name: str, width: int, stride: int, only: tuple[int, int] | None
) -> None:
    spec = visual_spec(name)
    assert (spec.name, spec.width, spec.stride, spec.only_size) == (name, width, stride, only)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (SMALL, (64, 96)),
        ("timm:vit_small_patch16_dinov3", (64, 96)),
        ("timm:resnet18", (96, 64)),
        ("timm:convnext_atto", (64, 96)),
        ("timm:swin_tiny_patch4_window7_224", (96, 64)),
    ],
)
def test_any_model_with_a_dense_map_makes_tokens_row_by_row(name: str, size: tuple[int, int]) -> None:
    encoder: Any = random_visual(name)
    x = images(1, 3, *size)
    rows, columns = encoder.spec.grid(*size)
    tokens = encoder.encode(x)
    assert tokens.shape == (1, rows * columns, encoder.spec.width)
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(1, rows * columns))
    with torch.no_grad():
        features = encoder._net.forward_features(pixels(name, x))
    if "vit" in name:
        expected = features[:, -rows * columns :]
    else:
        expected = features.reshape(1, -1, encoder.spec.width) if "swin" in name else features.flatten(2).mT
    torch.testing.assert_close(tokens, normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


def test_positions_are_resized_as_timm_does() -> None:
    encoder: Any = random_visual(SMALL)
    x = images(1, 3, 64, 96)
    net: Any = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=(64, 96)).eval()
    state = encoder._net.state_dict()
    state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], [4, 6])
    net.load_state_dict(state)
    with torch.no_grad():
        expected = net.forward_features(pixels(SMALL, x))[:, 1:]
    torch.testing.assert_close(encoder.encode(x), normalize(expected, dim=-1), atol=1e-5, rtol=1e-4)


def test_a_model_of_one_size_says_so() -> None:
    encoder = random_visual("timm:mixer_s16_224")
    assert encoder.encode(images(1, 3, 224, 224)).shape == (1, 196, 512)
    with pytest.raises(FsbenchError, match="timm:mixer_s16_224: takes images of 224 x 224 alone, not 448 x 224"):
        encoder.encode(images(1, 3, 448, 224))


@pytest.mark.parametrize("form", ["plain", "with head", "under model", "several GPUs", "dino"])
def test_a_local_checkpoint_is_loaded_by_path(form: str, tmp_path: Path) -> None:
    state = random_state(shapes("vit_tiny_patch16_224", num_classes=0), seed=4)
    head = {"head.weight": torch.zeros(10, 192), "head.bias": torch.zeros(10)}
    saved: dict[str, Any] = {
        "plain": state,
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


def test_weights_that_leave_a_tensor_to_chance_are_refused(tmp_path: Path) -> None:
    state = random_state(shapes("vit_tiny_patch16_224", num_classes=0), seed=4)
    del state["blocks.3.attn.qkv.bias"], state["norm.bias"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(FsbenchError, match=r"part\.pth: .* lacks blocks\.3\.attn\.qkv\.bias and 1 more$"):
        load_visual(SMALL, weights=tmp_path / "part.pth")


def test_wrong_names_are_said_in_a_line() -> None:
    with pytest.raises(FsbenchError, match=r"^timm:vit_nothing: timm \S+ has no model 'vit_nothing': see timm\.list"):
        visual_spec("timm:vit_nothing")
    with pytest.raises(FsbenchError, match=r"^timm:resnet18\.nothing: timm \S+ .*nothing.*: see timm\.list_pretrained"):
        load_visual("timm:resnet18.nothing")


def test_making_a_network_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    network(SMALL)
    assert torch.equal(torch.get_rng_state(), before)

"""CLIP with random weights: our tokens against open_clip's own outputs, for weights as OpenAI shaped them.

The reference is what open_clip builds for a state dict of OpenAI, from its shapes alone. Networks have few blocks here,
and the published number of them in the ``long`` tests.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import open_clip
import pytest
import torch
from open_clip.model import build_model_from_openai_state_dict, resize_pos_embed
from safetensors.torch import save_file
from torch.nn.functional import normalize

from fsbench.errors import FsbenchError
from fusioner.encoders import load_text, load_visual, text_spec
from fusioner.encoders.catalogue import CLIP_MODELS, VISUAL
from fusioner.encoders.clip import ClipViT, architecture, image_tower, text_tower
from tests.fusioner.random_weights import random_images, random_state

TEXTS = ["a photo of a cat.", "SOFA", "a long sentence " * 40]
SMALL: dict[str, dict[str, Any]] = {
    "ViT-B-16-quickgelu": {"layers": 2, "width": 128},
    "RN101-quickgelu": {"layers": [1, 1, 1, 1], "width": 16},
}


class Case(NamedTuple):
    name: str
    path: Path
    reference: Any


def random_clip(name: str, folder: Path) -> Case:
    """Random weights in half precision, as OpenAI's are, in a file; and open_clip's network with the same."""
    state = {k: v.half() for k, v in random_state(architecture(name).state_dict(), seed=1).items()}
    path = folder / "open_clip_model.safetensors"
    save_file(state, path)
    reference: Any = build_model_from_openai_state_dict(dict(state), cast_dtype=torch.float32)
    return Case(name, path, reference.float().eval())


def small_config(model: str, published: Callable[[str], Any] = open_clip.get_model_config) -> Any:
    config = copy.deepcopy(published(model))
    config["vision_cfg"] |= SMALL.get(model, {})
    config["text_cfg"] |= {"layers": 2, "width": 64, "heads": 1}
    return config


@pytest.fixture(autouse=True)
def _small_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "published" not in request.node.name:
        monkeypatch.setattr(open_clip, "get_model_config", small_config)


@pytest.fixture
def vit(tmp_path: Path) -> Case:
    return random_clip("clip-vit-b-16", tmp_path)


def normed_pixels(case: Case, x: torch.Tensor) -> torch.Tensor:
    spec = VISUAL[case.name]
    return (x - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]


def check_vit(case: Case) -> None:
    """Tokens, and in the same forward pass the class token, are open_clip's."""
    encoder: Any = load_visual(case.name, weights=case.path)
    x = random_images(1, 3, 224, 224)
    normed: list[torch.Tensor] = []
    hook = encoder._net.ln_post.register_forward_hook(lambda _module, _given, out: normed.append(out))
    tokens = encoder.encode(x)
    hook.remove()
    case.reference.visual.output_tokens = True
    with torch.no_grad():
        pooled, patches = case.reference.encode_image(normed_pixels(case, x))
        case.reference.visual.output_tokens = False
        projection = case.reference.visual.proj
        assert tokens.shape == (1, (224 // encoder.spec.stride) ** 2, encoder.spec.width)
        torch.testing.assert_close(tokens, normalize(patches @ projection, dim=-1), atol=1e-5, rtol=1e-4)
        # The pooled output is the class token, which our tokens leave out.
        torch.testing.assert_close(normed[0][:, 0] @ projection, pooled, atol=1e-4, rtol=1e-4)
    assert not any(p.requires_grad for p in encoder._net.parameters())
    assert not encoder._net.training


def check_resnet(case: Case) -> None:
    encoder = load_visual(case.name, weights=case.path)
    x, tower = random_images(1, 3, 224, 224), case.reference.visual
    with torch.no_grad():
        outputs = tower.forward_intermediates(normed_pixels(case, x), indices=1)
        last = outputs["image_intermediates"][-1]
        assert last.shape[2:] == (7, 7)
        torch.testing.assert_close(encoder.encode(x), normalize(last.flatten(2).mT, dim=-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(tower.attnpool(last), outputs["image_features"])
    assert encoder.encode(random_images(1, 3, 64, 96)).shape == (1, 6, last.shape[1])


def check_text(case: Case) -> None:
    encoder = load_text(f"{case.name}={case.path}")
    with torch.no_grad():
        expected = case.reference.encode_text(open_clip.tokenize(TEXTS))
    embedded = encoder.embed(TEXTS)
    assert embedded.shape == (3, encoder.spec.width)
    torch.testing.assert_close(embedded, expected, atol=1e-4, rtol=1e-4)
    assert encoder.embed([]).shape == (0, encoder.spec.width)
    assert encoder.digest != load_visual(case.name, weights=case.path).digest


def test_vit_tokens_and_text_are_those_of_open_clip(vit: Case) -> None:
    check_vit(vit)
    check_text(vit)


def test_resnet_cells_and_text_are_those_of_open_clip(tmp_path: Path) -> None:
    case = random_clip("clip-rn101", tmp_path)
    check_resnet(case)
    check_text(case)


@pytest.mark.long
@pytest.mark.parametrize("name", CLIP_MODELS)
def test_published_sizes_for_real(name: str, tmp_path: Path) -> None:
    case = random_clip(name, tmp_path)
    (check_resnet if name == "clip-rn101" else check_vit)(case)
    check_text(case)
    case.path.unlink()


def test_other_sizes_resize_the_positions_as_open_clip_does(vit: Case) -> None:
    tower = vit.reference.visual
    state = {"visual.positional_embedding": tower.positional_embedding.detach()}
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(4, 6))))
    tower.positional_embedding = torch.nn.Parameter(state["visual.positional_embedding"])
    tower.output_tokens = True
    x = random_images(1, 3, 64, 96)
    with torch.no_grad():
        patches = tower(normed_pixels(vit, x))[1]
    assert patches.shape[1] == 4 * 6
    tokens = load_visual(vit.name, weights=vit.path).encode(x)
    torch.testing.assert_close(tokens, normalize(patches @ tower.proj, dim=-1), atol=1e-5, rtol=1e-4)


def test_the_exact_gelu_would_be_noticed(vit: Case) -> None:
    encoder: Any = load_visual(vit.name, weights=vit.path)
    x = random_images(1, 3, 32, 32)
    quick = encoder.encode(x)
    for block in encoder._net.transformer.resblocks:
        block.mlp.gelu = torch.nn.GELU()
    assert (encoder.encode(x) - quick).abs().max() > 1e-3


def test_another_clip_is_refused(vit: Case) -> None:
    with pytest.raises(FsbenchError, match=r"clip_model.safetensors: has the weights of another network: lacks bn1"):
        load_visual("clip-rn101", weights=vit.path)
    with pytest.raises(FsbenchError, match=r"has the weights of another network: \S+ is .*, expected"):
        load_text("clip-vit-l-14", weights=vit.path)


@pytest.mark.parametrize(("name", "size"), [("clip-vit-b-16", 86_192_640), ("clip-vit-l-14", 303_966_208)])
def test_published_sizes_have_the_right_shapes_on_the_meta_device(name: str, size: int) -> None:
    spec = VISUAL[name]
    with torch.device("meta"):
        encoder = ClipViT(spec, image_tower(name), "none")
        for height, width in ((224, 224), (2 * spec.stride, spec.stride)):
            tokens = height // spec.stride * (width // spec.stride)
            assert encoder._tokens(torch.empty(2, 3, height, width)).shape == (2, tokens, spec.width)
        net: Any = text_tower(name).to("meta")
        assert net.encode_text(torch.zeros(3, 77, dtype=torch.long)).shape == (3, text_spec(name).width)
    assert sum(p.numel() for p in encoder._net.parameters()) == size

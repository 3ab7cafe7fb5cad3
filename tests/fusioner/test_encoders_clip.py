"""CLIP at full size with random weights: our tokens against open_clip's own outputs, for weights as OpenAI shaped them.

The reference is what open_clip builds for a state dict of OpenAI, from its shapes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from fusioner.encoders import load_text, load_visual
from fusioner.encoders.catalogue import VISUAL
from fusioner.encoders.clip import ClipViT, architecture, image_tower, text_tower
from tests.fusioner.random_weights import random_state

TEXTS = ["a photo of a cat.", "SOFA", "a long sentence " * 40]


class Case(NamedTuple):
    name: str
    path: Path
    reference: Any


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def made(name: str, folder: Path) -> Case:
    """Random weights in half precision, as OpenAI's are, in a file; and open_clip's network with the same."""
    state = {k: v.half() for k, v in random_state(architecture(name).state_dict(), seed=1).items()}
    path = folder / "open_clip_model.safetensors"
    save_file(state, path)
    reference: Any = build_model_from_openai_state_dict(dict(state), cast_dtype=torch.float32)
    return Case(name, path, reference.float().eval())


def pixels(case: Case, x: torch.Tensor) -> torch.Tensor:
    spec = VISUAL[case.name]
    return (x - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    case = made("clip-vit-b-16", tmp_path_factory.mktemp("vit"))
    yield case
    case.path.unlink()


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    case = made("clip-rn101", tmp_path_factory.mktemp("resnet"))
    yield case
    case.path.unlink()


@pytest.fixture(scope="module")
def encoder(vit: Case) -> ClipViT:
    loaded = load_visual(vit.name, weights=vit.path)
    assert isinstance(loaded, ClipViT)
    return loaded


def check_vit(case: Case, encoder: Any) -> None:
    """Tokens, and by the same path the class token, are open_clip's."""
    side = 224 // encoder.spec.stride
    x = images(1, 3, 224, 224)
    normed: list[torch.Tensor] = []
    hook = encoder._net.ln_post.register_forward_hook(lambda _module, _given, out: normed.append(out))
    tokens = encoder.encode(x)
    hook.remove()
    case.reference.visual.output_tokens = True
    with torch.no_grad():
        pooled, patches = case.reference.encode_image(pixels(case, x))
        case.reference.visual.output_tokens = False
        projection = case.reference.visual.proj
        assert tokens.shape == (1, side * side, encoder.spec.width)
        torch.testing.assert_close(tokens, normalize(patches @ projection, dim=-1), atol=1e-5, rtol=1e-4)
        # The pooled output is the class token on the very way of our tokens, which leave it out.
        torch.testing.assert_close(normed[0][:, 0] @ projection, pooled, atol=1e-4, rtol=1e-4)


def check_text(case: Case) -> None:
    encoder = load_text(f"{case.name}={case.path}")
    with torch.no_grad():
        expected = case.reference.encode_text(open_clip.tokenize(TEXTS))
    embedded = encoder.embed(TEXTS)
    assert embedded.shape == (3, encoder.spec.width)
    torch.testing.assert_close(embedded, expected, atol=1e-4, rtol=1e-4)
    assert encoder.embed([]).shape == (0, encoder.spec.width)
    assert encoder.digest != load_visual(case.name, weights=case.path).digest


def test_patch_tokens_are_those_of_open_clip(vit: Case, encoder: Any) -> None:
    check_vit(vit, encoder)
    assert not any(p.requires_grad for p in encoder._net.parameters())
    assert not encoder._net.training


def test_other_sizes_resize_the_positions_as_open_clip_does(vit: Case, encoder: ClipViT) -> None:
    tower = vit.reference.visual
    known = tower.positional_embedding
    state = {"visual.positional_embedding": known.detach()}
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(4, 6))))
    tower.positional_embedding = torch.nn.Parameter(state["visual.positional_embedding"])
    tower.output_tokens = True
    x = images(1, 3, 64, 96)
    with torch.no_grad():
        patches = tower(pixels(vit, x))[1]
    tower.positional_embedding, tower.output_tokens = known, False
    assert patches.shape[1] == 4 * 6
    torch.testing.assert_close(encoder.encode(x), normalize(patches @ tower.proj, dim=-1), atol=1e-5, rtol=1e-4)


def test_the_exact_gelu_would_be_noticed(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = images(1, 3, 32, 32)
    quick = encoder.encode(x)
    for block in encoder._net.transformer.resblocks:
        monkeypatch.setattr(block.mlp, "gelu", torch.nn.GELU())
    assert (encoder.encode(x) - quick).abs().max() > 1e-3


def test_text_is_that_of_open_clip(vit: Case) -> None:
    check_text(vit)


def test_the_resnet_has_the_cells_before_attention_pooling_and_the_text_of_open_clip(resnet: Case) -> None:
    encoder = load_visual(resnet.name, weights=resnet.path)
    x, tower = images(1, 3, 224, 224), resnet.reference.visual
    tokens = encoder.encode(x)
    with torch.no_grad():
        told = tower.forward_intermediates(pixels(resnet, x), indices=1)
        last = told["image_intermediates"][-1]
        assert last.shape == (1, 2048, 7, 7)
        torch.testing.assert_close(tokens, normalize(last.flatten(2).mT, dim=-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(tower.attnpool(last), told["image_features"])
    assert encoder.encode(images(1, 3, 64, 96)).shape == (1, 6, 2048)
    check_text(resnet)


def test_another_clip_is_refused(vit: Case) -> None:
    with pytest.raises(FsbenchError, match=r"open_clip_model.safetensors: has the weights of another network: lacks bn1"):
        load_visual("clip-rn101", weights=vit.path)
    with pytest.raises(FsbenchError, match=r"has the weights of another network: \S+ is .*, expected"):
        load_text("clip-vit-l-14", weights=vit.path)


def test_the_largest_has_the_right_shapes_on_the_meta_device() -> None:
    with torch.device("meta"):
        encoder = ClipViT(VISUAL["clip-vit-l-14"], image_tower("clip-vit-l-14"), "none")
        assert encoder._tokens(torch.empty(2, 3, 224, 224)).shape == (2, 256, 768)
        assert encoder._tokens(torch.empty(1, 3, 448, 224)).shape == (1, 512, 768)
        net: Any = text_tower("clip-vit-l-14").to("meta")
        assert net.encode_text(torch.zeros(3, 77, dtype=torch.long)).shape == (3, 768)
    assert sum(p.numel() for p in encoder._net.parameters()) == 303_966_208


@pytest.mark.long
def test_the_largest_for_real(tmp_path: Path) -> None:
    case = made("clip-vit-l-14", tmp_path)
    check_vit(case, load_visual(case.name, weights=case.path))
    check_text(case)
    case.path.unlink()

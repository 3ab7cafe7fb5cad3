"""The offline visual encoder with its real weights."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from fsbench.errors import FsbenchError
from fsbench.models import effnet
from fusioner.encoders import VisualEncoder, load_visual
from fusioner.encoders.catalogue import SOURCES, TEXT, VISUAL
from tests import ROOT
from tests.fusioner.random_weights import random_images


@pytest.fixture(scope="module")
def encoder() -> VisualEncoder:
    return load_visual("effnet-lite2")


def maps(x: torch.Tensor, stride: int = 16) -> list[torch.Tensor]:
    """By timm's blocks, norms not folded."""
    net: Any = effnet.network(stride)
    with torch.no_grad():
        return effnet.feature_maps(net, (x * 255 - 127) / 128)


def test_a_token_concatenates_three_maps(encoder: VisualEncoder) -> None:
    x = random_images(2, 3, 96, 64)
    tokens = encoder.encode(x)
    assert tokens.shape == (2, 24, 680)
    levels = [normalize(m, dim=1) for m in maps(x)]
    assert {tuple(level.shape[2:]) for level in levels} == {(6, 4)}
    joined = torch.cat(levels, dim=1)
    expected = normalize(joined, dim=1).flatten(2).mT
    torch.testing.assert_close(tokens, expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(2, 24))


def test_the_variant_of_stride_32_is_the_last_map() -> None:
    x = random_images(1, 3, 64, 96)
    tokens = load_visual("effnet-lite2-s32").encode(x)
    assert tokens.shape == (1, 6, 352)
    torch.testing.assert_close(tokens, normalize(maps(x, 32)[2], dim=1).flatten(2).mT, atol=1e-4, rtol=1e-3)


def test_odd_grids_work_and_other_sizes_are_refused(encoder: VisualEncoder) -> None:
    assert encoder.encode(random_images(1, 3, 16, 48)).shape == (1, 3, 680)
    with pytest.raises(
        FsbenchError, match="effnet-lite2: an image of 100 x 96: height and width must be multiples of 16"
    ):
        encoder.encode(random_images(1, 3, 100, 96))


def test_tokens_do_not_depend_on_the_batch(encoder: VisualEncoder) -> None:
    x = random_images(3, 3, 64, 64)
    torch.testing.assert_close(encoder.encode(x)[1:2], encoder.encode(x[1:2]), atol=1e-5, rtol=1e-4)


def test_the_digest_is_of_the_weights_as_published(encoder: VisualEncoder) -> None:
    assert encoder.digest == "f573c2943c7a4e03b5db0d36d7a6d71cd6afae8d8f63ff1d377ff7124746fa9c"
    assert load_visual("effnet-lite2-s32").digest == encoder.digest


def test_other_images_are_refused(encoder: VisualEncoder) -> None:
    for wrong in (torch.zeros(3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 32, 32, dtype=torch.uint8)):
        with pytest.raises(FsbenchError, match=r"expected float images B x 3 x H x W in 0..1, not torch\.\w+ of shape"):
            encoder.encode(wrong)


def test_tokens_can_train_what_comes_after(encoder: VisualEncoder) -> None:
    layer = torch.nn.Linear(680, 2)
    tokens = encoder.encode(random_images(1, 3, 32, 32).requires_grad_())
    assert not tokens.requires_grad
    layer(tokens).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


def test_it_takes_no_path() -> None:
    with pytest.raises(
        FsbenchError, match=r"effnet-lite2: its weights are in a package, so it takes no path \(got x\)"
    ):
        load_visual("effnet-lite2=x")


def test_tokens_in_mixed_precision_are_float32_and_near(encoder: VisualEncoder) -> None:
    x = random_images(1, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder.encode(x)
    exact = encoder.encode(x)
    assert mixed.dtype == torch.float32
    assert not torch.equal(mixed, exact)
    assert float((mixed * exact).sum(-1).min()) > 0.98


@pytest.mark.gpu
def test_it_moves_where_there_is_cuda(encoder: VisualEncoder) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: moving an encoder is tried on the CPU alone")
    x = random_images(1, 3, 64, 64)
    here = encoder.encode(x)
    there = load_visual("effnet-lite2").to("cuda").encode(x)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, atol=1e-3, rtol=1e-2)


def test_the_example_of_the_page_runs() -> None:
    page = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    assert names["tokens"].shape == (2, 196, 680)
    assert names["classes"].shape == (2, 384)


def test_the_tables_of_the_page_are_the_catalogue() -> None:
    page = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
    for spec in VISUAL.values():
        rows, columns = spec.grid(224, 224)
        row = rf"\| `{spec.name}` \| [^|]+ \| {spec.width} \| {spec.stride} \| {rows} x {columns} \| "
        assert re.search(row, page), spec.name
    for text in TEXT.values():
        assert re.search(rf"\| `{text.name}` \| [^|]+ \| {text.width} \| ", page), text.name
    for source in SOURCES.values():
        assert re.search(rf"`encoders/{source.name}/\S*.*<{source.page}>", page), source.name

"""The encoder of ``prototype``: the features of the published weights, whatever it saw before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines import effnet
from baselines.effnet import Encoder
from fsbench.models.effnet import network
from tests.baselines.questions import photograph

# Of ``pattern()`` by timm's network, norms not folded: mean, standard deviation, the first cell's first three.
GOLDEN = [
    (-0.3079, 7.38607, [1.8662, 7.5759, -7.9085]),
    (0.72066, 8.47525, [2.3892, 7.9932, -2.8115]),
    (0.2518, 3.20453, [-0.3244, -0.4779, 0.0902]),
]


def pattern() -> Tensor:
    """uint8 3 x 70 x 100, spelled out in whole numbers."""
    c, y, x = torch.meshgrid(torch.arange(3), torch.arange(70), torch.arange(100), indexing="ij")
    return ((x * (3 * c + 2) + y * (5 - c) + (x * y) // 7 * (c + 1)) % 256).to(torch.uint8)


def by_timm(image: Tensor) -> list[Tensor]:
    """The three maps by timm's own forward, another path through the same weights."""
    net: Any = network()
    x = net.bn1(net.conv_stem((image.float()[None] - 127) / 128))
    maps = []
    for block in net.blocks:
        x = block(x)
        maps.append(x[0])
    return maps[4:7]


@pytest.fixture(scope="module", autouse=True)
def no_gradients() -> Any:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


def test_features_are_those_of_the_published_weights(encoder: Encoder) -> None:
    maps = encoder.encode(pattern(), 512)
    for features, timm, (mean, deviation, first) in zip(maps, by_timm(pattern()), GOLDEN, strict=True):
        torch.testing.assert_close(features, timm, atol=2e-4, rtol=1e-4)  # folding the norms changes nothing
        assert features.mean().item() == pytest.approx(mean, abs=1e-3)
        assert features.std().item() == pytest.approx(deviation, abs=1e-3)
        assert features[:3, 0, 0].tolist() == pytest.approx(first, abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (16, 16), (17, 32), (90, 61)])
def test_any_size_has_features_at_strides_16_and_32(encoder: Encoder, size: tuple[int, int]) -> None:
    maps = encoder.encode(photograph(*size), 512)
    grids = [tuple(-(-side // stride) for side in size) for stride in (16, 32, 32)]
    assert [tuple(m.shape) for m in maps] == [(c, *grid) for c, grid in zip((120, 208, 352), grids, strict=True)]
    assert all(m.isfinite().all() and m.dtype == torch.float32 for m in maps)


def test_a_longer_side_than_allowed_is_shrunk(encoder: Encoder) -> None:
    assert encoder.encode(photograph(64, 128), 128)[0].shape[1:] == (4, 8)
    assert encoder.encode(photograph(64, 129), 64)[0].shape[1:] == (2, 4)
    assert encoder.encode(photograph(200, 1), 64)[0].shape[1:] == (4, 1)
    flat = torch.full((3, 96, 96), 90, dtype=torch.uint8)
    for small, direct in zip(encoder.encode(flat, 48), encoder.encode(flat[:, :48, :48], 512), strict=True):
        torch.testing.assert_close(small, direct)


def test_the_cache_is_limited_and_changes_no_bit(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [photograph(40, 50, seed) for seed in range(3)]
    first = [encoder.encode(picture, 512) for picture in pictures]
    view = pictures[2].permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert encoder.encode(view, 512) is first[2]
    assert encoder.encode(pictures[2], 32) is not first[2]
    assert encoder.encode(pictures[2].transpose(1, 2), 512)[0].shape[1:] == (4, 3)
    monkeypatch.setattr(effnet, "CACHED_BYTES", 1)
    fresh = Encoder()
    for picture, maps in zip(pictures, first, strict=True):
        again = fresh.encode(picture, 512)
        assert all(torch.equal(a, b) for a, b in zip(again, maps, strict=True))
        assert len(fresh._kept) == 1
    assert fresh._kept_bytes == sum(m.numel() * 4 for m in again)
    fresh.to("cpu")
    assert fresh._kept, "the same device keeps the cache"
    fresh._device = "another"
    fresh.to("cpu")
    assert (len(fresh._kept), fresh._kept_bytes) == (0, 0)

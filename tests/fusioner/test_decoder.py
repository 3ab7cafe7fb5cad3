"""The decoder against convolutions of upsampled maps: values, gradients, borders, grids that are no square."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from fsbench.errors import FsbenchError
from fusioner.decoder import Decoder, full_size, normed, taps_of, upsampled_conv
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner
from tests.fusioner import naive_fusioner as naive


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plainly(x: Tensor, weight: Tensor) -> Tensor:
    large = functional.interpolate(x.permute(2, 0, 1)[None], scale_factor=2, mode="bilinear", align_corners=False)
    return functional.conv2d(large, weight, padding=1)[0].permute(1, 2, 0)


def decoder(weights: dict[str, Tensor], d: int) -> Decoder:
    made = Fusioner(FusionConfig(4, 4, d_model=d, layers=1, heads=1)).decoder
    made.load_state_dict({name[8:]: value for name, value in weights.items() if name.startswith("decoder.")})
    return made


@settings(max_examples=20, deadline=None)
@given(h=st.integers(1, 9), w=st.integers(1, 9), band=st.integers(1, 4), seed=st.integers(0, 99))
def test_convolution_commutes_with_upsampling_up_to_the_border(h: int, w: int, band: int, seed: int) -> None:
    x, weight = drawn(h, w, 3, seed=seed), drawn(4, 3, 3, 3, seed=seed + 1)
    # the constant entries are float32, and exact: quarters
    torch.testing.assert_close(upsampled_conv(x, taps_of(weight), band), plainly(x, weight))


def test_training_follows_inference_at_the_same_size() -> None:
    x, weight = drawn(7, 11, 3, dtype=torch.float32), drawn(4, 3, 3, 3, dtype=torch.float32)
    with torch.inference_mode():
        upsampled_conv(x, taps_of(weight))
    upsampled_conv(x.requires_grad_(), taps_of(weight)).sum().backward()
    assert x.grad is not None


def test_its_gradients_are_right() -> None:
    x, weight = drawn(3, 2, 2).requires_grad_(), drawn(2, 2, 3, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, weight: upsampled_conv(x, taps_of(weight), 1), (x, weight))


def test_instance_norm_and_its_gradient() -> None:
    x = drawn(4, 5, 3).requires_grad_()
    torch.testing.assert_close(normed(x), functional.instance_norm(x.permute(2, 0, 1)[None]).relu()[0].permute(1, 2, 0))
    assert torch.autograd.gradcheck(normed, (x,))


@pytest.mark.parametrize(("grid", "target"), [((3, 3), (24, 24)), ((2, 5), (31, 17)), ((4, 1), (9, 50))])
def test_the_whole_decoder(grid: tuple[int, int], target: tuple[int, int]) -> None:
    weights = naive.random_weights(6, 1, 4, 4, seed=3)
    tokens = drawn(2, grid[0] * grid[1], 6, dtype=torch.float32)
    with torch.no_grad():
        ours = torch.stack([full_size(z, target) for z in decoder(weights, 6)(tokens, grid)])
    torch.testing.assert_close(ours, naive.decoded(weights, tokens, grid, target), atol=1e-4, rtol=0)


def test_a_grid_of_one_point_is_refused() -> None:
    made = decoder(naive.random_weights(4, 1, 4, 4, seed=0), 4)
    with pytest.raises(FsbenchError, match="1 x 1"):
        list(made(drawn(1, 1, 4, dtype=torch.float32), (1, 1)))


def test_every_parameter_has_a_gradient_and_the_unused_biases_have_zero() -> None:
    made = decoder(naive.random_weights(4, 1, 4, 4, seed=0), 4)
    torch.stack(list(made(drawn(1, 9, 4, dtype=torch.float32), (3, 3)))).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in made.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    zero = {name for name, gradient in gradients.items() if gradient is not None and not gradient.any()}
    assert zero == {f"conv_{stage}.bias" for stage in range(4)}

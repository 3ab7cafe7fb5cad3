"""The head against cosine similarity taken plainly on maps of the target size: values, gradients, edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from fusioner.head import cosine_logits


def plainly(z: Tensor, text: Tensor, target: tuple[int, int], temperature: float) -> Tensor:
    large = functional.interpolate(z.permute(2, 0, 1)[None], size=target, mode="bilinear", align_corners=False)[0]
    return (
        torch.einsum("dhw,kd->khw", functional.normalize(large, dim=0), functional.normalize(text, dim=-1))
        / temperature
    )


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(max_examples=25, deadline=None)
@given(
    small=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    target=st.tuples(st.integers(1, 23), st.integers(1, 23)),
    seed=st.integers(0, 99),
)
def test_any_size_larger_or_smaller(small: tuple[int, int], target: tuple[int, int], seed: int) -> None:
    z, text = drawn(*small, 7, seed=seed), drawn(3, 7, seed=seed + 1)
    torch.testing.assert_close(cosine_logits(z, text, target, 0.07), plainly(z, text, target, 0.07), atol=1e-4, rtol=0)


def test_neighbours_that_cancel_give_no_nan_and_no_more_than_one() -> None:
    z = torch.stack((torch.ones(2, 4), -torch.ones(2, 4)), dim=1)  # two columns, opposite
    z.requires_grad_()
    logits = cosine_logits(z, torch.ones(1, 4), (2, 3), 1.0)
    torch.testing.assert_close(logits[0], torch.tensor([[1.0, 0.0, -1.0]] * 2), atol=1e-4, rtol=0)
    logits.sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert cosine_logits(torch.zeros(3, 3, 4), torch.ones(1, 4), (6, 6), 0.07).eq(0).all()


@pytest.mark.parametrize("small", [(3, 4), (1, 3), (3, 1)])
def test_gradients_are_right(small: tuple[int, int]) -> None:
    z = drawn(*small, 5, dtype=torch.float64).requires_grad_()
    text = drawn(2, 5, seed=1, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda z, t: cosine_logits(z, t, (7, 6), 0.5), (z, text))


def test_half_precision_maps_are_compared_in_float32() -> None:
    z, text = drawn(4, 4, 64), drawn(2, 64, seed=1)
    got = cosine_logits(z.bfloat16(), text.bfloat16(), (9, 9), 0.07)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, plainly(z.bfloat16().float(), text.bfloat16().float(), (9, 9), 0.07))

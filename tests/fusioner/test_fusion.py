"""Fusion and the whole model: classes alone and joint, late fusion, dropout by generators, weights by seeds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fsbench.errors import FsbenchError
from fusioner.fusion import Draws, FusionConfig, dropped
from fusioner.model import Fusioner
from tests.fusioner import naive_fusioner as naive

GRID, TARGET = (3, 4), (19, 22)
SMALL = {"d_model": 8, "layers": 3, "heads": 2}


def model(**options: Any) -> Fusioner:
    made = Fusioner(FusionConfig(6, 5, **SMALL, **options))
    made.load_state_dict(naive.random_weights(8, 3, 6, 5, seed=7))
    return made.eval()


def features(batch: int = 2, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 12, 6, generator=draw), torch.randn(batch, classes, 5, generator=draw)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def alike(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-4)


def test_each_class_is_alone_with_the_image() -> None:
    made = model()
    visual, text = features()
    got = made(visual, text, GRID, TARGET)
    weights = dict(made.state_dict())
    alone = [naive.outputs(weights, visual, text[:, [k]], GRID, TARGET, 2)["logits"] for k in range(3)]
    assert got.shape == (2, 3, *TARGET)
    assert alike(got, torch.cat(alone, dim=1))


def test_joint_passes_all_classes_together_and_is_another_model() -> None:
    made = model()
    visual, text = features()
    together = made.joint(visual, text, GRID, TARGET)
    assert alike(together, naive.outputs(dict(made.state_dict()), visual, text, GRID, TARGET, 2)["logits"])
    assert not alike(together, made(visual, text, GRID, TARGET))
    assert alike(made.joint(visual, text[:, :1], GRID, TARGET), made(visual, text[:, :1], GRID, TARGET))


@pytest.mark.parametrize("passed", ["forward", "joint"])
def test_gradients_are_those_of_the_plain_way(passed: str) -> None:
    made = model().double()
    visual, text = (x.double() for x in features(classes=1 if passed == "forward" else 3))
    truth = torch.rand((2, text.shape[1], *TARGET), generator=seeded(1), dtype=torch.float64).round()
    functional.binary_cross_entropy_with_logits(getattr(made, passed)(visual, text, GRID, TARGET), truth).backward()
    weights = {name: value.clone().requires_grad_() for name, value in made.state_dict().items()}
    plain = naive.outputs(weights, visual, text, GRID, TARGET, 2)["logits"]
    functional.binary_cross_entropy_with_logits(plain, truth).backward()
    for name, parameter in made.named_parameters():
        ours, theirs = parameter.grad, weights[name].grad
        assert ours is not None
        assert theirs is not None
        without_effect = name.startswith("decoder.conv_") and name.endswith("bias") and "4" not in name
        scale = 1.0 if without_effect else float(theirs.abs().max())
        assert float((ours - theirs).abs().max()) <= 1e-9 * scale, name


def test_in_late_fusion_classes_do_not_reach_the_image() -> None:
    made = model(fusion="late")
    visual, text = features()
    fused, names = made.fusion(visual, text)
    assert fused.shape == (2, 1, 12, 8)
    assert names.shape == (2, 3, 8)
    other = made.fusion(visual, text.flip(1))
    assert torch.equal(other[0], fused)
    assert torch.allclose(other[1], names.flip(1), atol=1e-6)
    together = made(visual, text, GRID, TARGET)
    assert together.shape == (2, 3, *TARGET)
    assert torch.equal(together, made.joint(visual, text, GRID, TARGET))
    alone = torch.cat([made(visual, text[:, [k]], GRID, TARGET) for k in range(3)], dim=1)
    assert alike(together, alone)
    assert not alike(together, model()(visual, text, GRID, TARGET))
    together.square().mean().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


@pytest.mark.parametrize("options", [{"dropout": 0.3}, {"drop_path": 0.5}])
def test_dropout_follows_its_generator_and_nothing_else(options: dict[str, float]) -> None:
    made = model(**options).train()
    visual, text = features(batch=8)

    def run(seed: int) -> Tensor:
        logits: Tensor = made(visual, text, GRID, TARGET, Draws(seeded(seed)))
        return logits

    before = torch.get_rng_state()
    first = run(0)
    assert torch.equal(first, run(0))
    assert not alike(first, run(1))
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(FsbenchError, match=r"pass draws=Draws\(generator\)"):
        made(visual, text, GRID, TARGET)
    made.eval()
    assert torch.equal(made(visual, text, GRID, TARGET), model()(visual, text, GRID, TARGET))


def test_dropout_keeps_the_mean_and_drop_path_whole_samples() -> None:
    x = torch.ones(2000, 5)
    assert abs(float(dropped(x, 0.25, Draws(seeded(0))).mean()) - 1) < 0.02
    whole = dropped(x, 0.25, Draws(seeded(0)), whole=True)
    assert abs(float(whole.mean()) - 1) < 0.05
    assert torch.equal(whole, whole[:, :1].expand_as(whole))
    assert dropped(x, 0.0, None) is x
    rates = [block.drop_path for block in Fusioner(FusionConfig(6, 5, **SMALL, drop_path=0.4)).fusion.blocks]
    assert rates == pytest.approx([0.0, 0.2, 0.4])


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_dropout_of_an_example_is_the_same_on_any_number_of_ranks(ranks: int) -> None:
    """Bit for bit those that one generator draws for the whole batch, also where an example has a row a class."""
    x = torch.ones(5, 3, 4)
    for rows in (x, x.repeat_interleave(2, dim=0)):
        for whole in (False, True):
            together = dropped(rows, 0.4, Draws(seeded(1)), whole=whole).reshape(5, -1)
            for rank in range(ranks):
                own = rows.reshape(5, -1, 3, 4)[rank::ranks].flatten(0, 1)
                masked = dropped(own, 0.4, Draws(seeded(1), (rank, ranks, 5)), whole=whole)
                assert torch.equal(masked.reshape(-1, together.shape[1]), together[rank::ranks])


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_ranks_share_a_batch_of_several_classes(fusion: str) -> None:
    made = model(dropout=0.3, drop_path=0.5, fusion=fusion).train().double()
    visual, text = (x.double() for x in features(batch=5))
    together = made(visual, text, GRID, TARGET, Draws(seeded(1)))
    for rank in range(2):
        share = made(visual[rank::2], text[rank::2], GRID, TARGET, Draws(seeded(1), (rank, 2, 5)))
        torch.testing.assert_close(share, together[rank::2], rtol=0, atol=1e-9)


def test_mixed_precision_stays_near_and_trains() -> None:
    made = model()
    visual, text = features()
    exact = made(visual, text, GRID, TARGET)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = made(visual, text, GRID, TARGET)
    assert mixed.dtype == torch.float32
    difference = (mixed - exact).detach().abs().mean()
    assert float(difference) < 0.2 < float(exact.detach().abs().mean())
    mixed.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in made.parameters())


def test_weights_come_from_the_seed_alone() -> None:
    config = FusionConfig(6, 5, **SMALL)
    before = torch.get_rng_state()
    first, again, other = (Fusioner(config, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    moved = [name for name in first if first[name].ndim > 1 and torch.equal(first[name], other[name])]
    assert moved == []
    assert first["fusion.blocks.0.norm1.weight"].eq(1).all()
    assert first["fusion.blocks.0.attn.qkv.bias"].eq(0).all()
    assert 0 < float(first["decoder.conv_0.weight"].abs().max()) <= (8 * 9) ** -0.5


def test_names_are_the_released_ones_and_sizes_the_papers_by_default() -> None:
    assert Fusioner(FusionConfig(6, 5, **SMALL)).state_dict().keys() == naive.random_weights(8, 3, 6, 5, 0).keys()
    with torch.device("meta"):
        made = Fusioner(FusionConfig(768, 768))
    assert made.fusion.cls_emb.is_meta
    assert len(made.fusion.blocks) == 12
    assert sum(parameter.numel() for parameter in made.parameters()) == 48_847_872


def test_a_config_without_a_model_is_refused() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"heads": 3}, "heads"),
        ({"layers": 0}, "layers is 0"),
        ({"d_model": 8.0}, "d_model is 8.0"),
        ({"fusion": "middle"}, "'middle'"),
        ({"dropout": 1.0}, "dropout"),
        ({"drop_path": -0.1}, "drop_path"),
        ({"temperature": 0.0}, "temperature"),
    ]
    for options, message in cases:
        with pytest.raises(FsbenchError, match=message):
            FusionConfig(6, 5, **SMALL | options)

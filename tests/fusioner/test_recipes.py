"""The recipes: the published numbers, what the schedules give at their corners, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from itertools import pairwise

import pytest

from fsbench.errors import FsbenchError
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner
from fusioner.recipes import paper, quick, recipe_named
from fusioner.trainer import _optimizers as optimizers
from fusioner.trainer import task
from fusioner.windows import Tiling


def test_paper_is_the_published_one() -> None:
    plan = paper("pascal-5i")
    assert (plan.d_model, plan.layers, plan.heads, plan.batch) == (512, 12, 8, 32)
    assert (plan.dropout, plan.drop_path, plan.scales, plan.start) == (0.0, 0.0, (2, 4, 8), "released")
    assert (plan.epochs, plan.warm_up) == (10 + 500, 10)
    assert (plan.rate, plan.decay) == ((0.0, 1e-3, 2e-6), (0.01, 0.4))
    assert (plan.decoder_rate, plan.decoder_decay, plan.decoder_schedule) == (1e-3, 0.0, False)
    assert (plan.bce, plan.dice, plan.pairs, plan.balance, plan.average, plan.clip_norm) == (1, 0, None, 0, 0, None)
    assert (plan.cut[0], plan.flip, plan.cells, plan.centred) == (0.0, 0.0, None, False)
    assert plan.prompts == "openai-imagenet"
    assert plan.looking == Tiling("windows", 224, 149)
    assert (plan.views.size, plan.views.kind, plan.views.smallest) == (224, "crop", 0.5)


def test_distortions_are_milder_on_coco() -> None:
    for coco in ("coco-20i", "coco-20i-contiguous", "coco-20i-to-pascal-voc"):
        assert (paper(coco).views.jitter, paper(coco).views.degrees) == (0.2, 10)
    for other in ("pascal-5i", "fss-1000"):
        assert (paper(other).views.jitter, paper(other).views.degrees) == (0.5, 20)


def test_the_papers_rates_at_the_start_the_peak_and_the_end() -> None:
    at = paper("pascal-5i").rates(steps_per_epoch=7)
    last = 510 * 7 - 1
    assert [of["lr"] for of in at(0)] == [0.0, 0.0, 1e-3]
    assert [of["lr"] for of in at(35)] == pytest.approx([5e-4, 5e-4, 1e-3])
    assert [of["lr"] for of in at(70)] == pytest.approx([1e-3, 1e-3, 1e-3])
    assert [of["lr"] for of in at(70 + (last - 70) // 2)] == pytest.approx([5.01e-4, 5.01e-4, 1e-3], rel=2e-3)
    assert [of["lr"] for of in at(last)] == pytest.approx([2e-6, 2e-6, 1e-3])
    assert [of["weight_decay"] for of in at(0)] == pytest.approx([0.01, 0, 0])
    assert [of["weight_decay"] for of in at(last)] == pytest.approx([0.4, 0, 0])
    rates = [at(step)[0]["lr"] for step in range(last + 1)]
    assert max(rates) == rates[70]
    assert all(a < b for a, b in pairwise(rates[:71]))
    assert all(a > b for a, b in pairwise(rates[70:]))


def test_quick_lets_the_decoder_follow_the_schedule_down_to_nothing() -> None:
    plan = quick("pascal-5i")
    at = plan.rates(steps_per_epoch=50)
    assert [of["lr"] for of in at(0)] == [0.0, 0.0, 0.0]
    assert [of["lr"] for of in at(10)] == pytest.approx([1e-3, 1e-3, 1e-3])
    assert [of["lr"] for of in at(99)] == pytest.approx([0, 0, 0], abs=1e-9)
    assert [of["weight_decay"] for of in at(40)] == pytest.approx([0.1, 0, 0.1])
    assert plan.pairs is not None
    assert plan.epochs * (plan.pairs // plan.batch) == 100, "as its docstring says"


def test_neither_biases_nor_one_dimensional_parameters_decay() -> None:
    module = Fusioner(FusionConfig(8, 6, d_model=8, layers=2, heads=2))
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    (decayed, plain), (decoder,) = ([g["params"] for g in optimizer.param_groups] for optimizer in optimizers(module))
    assert {names[id(p)] for p in plain} == {
        name for name, p in module.named_parameters() if name.startswith("fusion.") and p.dim() == 1
    }
    assert all(names[id(p)].endswith(".bias") or "norm" in names[id(p)] or "proj." in names[id(p)] for p in plain)
    assert not [names[id(p)] for p in decayed if names[id(p)].endswith(".bias")]
    assert {names[id(p)] for p in decoder} == {name for name in names.values() if name.startswith("decoder.")}
    assert sorted(names) == sorted(id(p) for p in (*decayed, *plain, *decoder)), "each parameter once"
    for optimizer in optimizers(module):
        assert all(group["betas"] == (0.9, 0.999) for group in optimizer.param_groups)


def test_sizes_and_overrides_change_what_they_name() -> None:
    assert recipe_named("paper", "pascal-5i", 448, None).looking == Tiling("windows", 448, 298)
    made = recipe_named("quick", "pascal-5i", 256, 3)
    assert (made.looking, made.views.size, made.views.count) == (Tiling("square", 256, 256), 256, 3)
    assert recipe_named("paper", "coco-20i", None, None) == paper("coco-20i")
    assert made.override(None, None, None) == made
    assert made.override(5, 3, "plain") == replace(made, epochs=5, batch=3, prompts="plain")


def test_an_unknown_recipe_and_impossible_sizes_are_refused() -> None:
    cases: list[tuple[str, int | None, int | None, str]] = [
        ("fast", None, None, "no recipe 'fast': choose paper or quick"),
        ("quick", 31, None, "--size 31, --views None: expected 32 to 4096 pixels"),
        ("paper", 4097, None, "--size 4097"),
        ("paper", None, 0, "--views 0"),
        ("quick", 64, 10_001, "--views 10001"),
    ]
    for name, size, views, message in cases:
        with pytest.raises(FsbenchError, match=message) as caught:
            recipe_named(name, "pascal-5i", size, views)
        assert "\n" not in str(caught.value)


def test_the_trainers_default_is_the_published_recipe() -> None:
    flags = signature(task).parameters
    assert (flags["recipe"].default, flags["fusion"].default) == ("paper", "early")

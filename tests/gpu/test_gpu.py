"""A GPU gives what the CPU gives: counts of the baselines, encoders, a Fusioner and its gradients, mixed precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import fsbench
from fsbench.benchmarks.toy.build import build
from fsbench.index.benchmark import Benchmark
from fsbench.models.contract import Episode, Prompt
from fsbench.records.counts import read_counts
from fusioner import trainer
from fusioner.encoders import load_text, load_visual
from fusioner.encoders.catalogue import TEXT, VISUAL
from fusioner.encoders.clip import ClipText, ClipViT, image_tower, text_tower
from fusioner.fusion import FusionConfig
from fusioner.model import Fusioner
from fusioner.segmenter import Segmenter
from tests.fsbench.training import small_trainer
from tests.fusioner import naive_fusioner as naive
from tests.fusioner.random_weights import random_images, random_state
from tests.gpu.device import DEVICE, GPU

pytestmark = GPU


@pytest.fixture(autouse=True)
def _no_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return build(out=tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("model", ["background", "foreground", "center", "random", "prototype"])
def test_counts_of_the_baselines_are_those_of_the_cpu(toy: Benchmark, tmp_path: Path, model: str) -> None:
    """But for a few pixels where a score of ``prototype`` is next to 0."""
    allowed = 0.005 if model == "prototype" else 0
    rows = []
    for device in ("cpu", DEVICE):
        record = fsbench.evaluate(model, toy, folds="0", limit=16, device=device, out=tmp_path / device)
        assert record.environment.device.startswith(device)
        (file,) = (tmp_path / device).rglob("counts.parquet")
        rows.append(read_counts(file))
    for here, there in zip(*rows, strict=True):
        assert here[:5] == there[:5]
        assert (here.truth, here.valid) == (there.truth, there.valid)
        assert abs(here.predicted - there.predicted) <= allowed * here.valid
        assert abs(here.intersection - there.intersection) <= allowed * here.valid


def clip_vit() -> ClipViT:
    """Published sizes, random weights."""
    net = image_tower("clip-vit-b-16").to_empty(device="cpu")
    net.load_state_dict(random_state(net.state_dict(), seed=1))
    return ClipViT(VISUAL["clip-vit-b-16"], net, "0" * 64)


def clip_text() -> ClipText:
    net: Any = text_tower("clip-vit-b-16")
    mask = net.attn_mask
    net = net.to_empty(device="cpu")
    net.load_state_dict(random_state(net.state_dict(), seed=2), strict=False)
    net.attn_mask = mask
    return ClipText(TEXT["clip-vit-b-16"], net, "0" * 64)


@pytest.mark.parametrize("name", ["effnet-lite2", "clip-vit-b-16"])
def test_tokens_are_those_of_the_cpu(name: str) -> None:
    encoder = load_visual(name) if name == "effnet-lite2" else clip_vit()
    images = random_images(2, 3, 224, 224)
    here = encoder.encode(images)
    there = encoder.to(DEVICE).encode(images)
    assert there.device.type == torch.device(DEVICE).type
    torch.testing.assert_close(there.cpu(), here, atol=1e-4, rtol=0)
    with torch.autocast(torch.device(DEVICE).type, torch.bfloat16):
        mixed = encoder.encode(images)
    assert mixed.dtype == torch.float32
    assert float(functional.cosine_similarity(mixed.cpu(), here, dim=-1).min()) > 0.98


@pytest.mark.parametrize("name", ["minilm", "clip-vit-b-16"])
def test_vectors_of_texts_are_those_of_the_cpu(name: str) -> None:
    encoder = load_text(name) if name == "minilm" else clip_text()
    texts = ["a photo of a cat.", "sofa", "a striped green butterfly " * 3]
    here = encoder.embed(texts)
    there = encoder.to(DEVICE).embed(texts)
    assert there.device.type == torch.device(DEVICE).type
    torch.testing.assert_close(there.cpu(), here, atol=1e-4 * float(here.abs().max()), rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_model_and_its_gradients_are_those_of_the_cpu(precision: str) -> None:
    draw = torch.Generator().manual_seed(1)
    visual, text = torch.randn(2, 12, 6, generator=draw), torch.randn(2, 3, 5, generator=draw)
    truth = torch.rand(2, 3, 19, 22, generator=draw).round()

    def passed(device: str, mixed: bool) -> tuple[Tensor, Tensor]:
        made = Fusioner(FusionConfig(6, 5, d_model=8, layers=3, heads=2))
        made.load_state_dict(naive.random_weights(8, 3, 6, 5, seed=7))
        made.to(device)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=mixed):
            logits = made(visual.to(device), text.to(device), (3, 4), (19, 22))
        assert logits.dtype == torch.float32
        functional.binary_cross_entropy_with_logits(logits, truth.to(device)).backward()
        gradients = [p.grad.flatten() for p in made.parameters() if p.grad is not None]
        return logits.detach().cpu(), torch.cat(gradients).cpu()

    here, there = passed("cpu", False), passed(DEVICE, precision == "bf16")
    allowed = 1e-4 if precision == "float32" else 0.1
    for mine, theirs in zip(there, here, strict=True):
        assert float((mine - theirs).norm() / theirs.norm()) < allowed


def test_a_fusioner_trains_and_segments_in_bf16(toy: Benchmark, tmp_path: Path) -> None:
    """A few steps of the recipe ``quick``; the masks are mostly those in float32 on the CPU."""
    options = {"visual": "effnet-lite2", "text": "minilm", "recipe": "quick", "size": 96, "epochs": 1, "batch_size": 40}
    folder = small_trainer.train(
        toy, tmp_path, trainer, "fusioner", folds=["0"], device=DEVICE, precision="bf16", options=options
    )
    pixels = torch.randint(256, (3, 90, 120), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    asked = [Episode(pixels, "noise", tuple(Prompt(name, (), ()) for name in ("cat", "striped green butterfly")))]
    here, mixed = Segmenter(folder), Segmenter(folder, precision="bf16")
    mixed.to(DEVICE)
    with torch.inference_mode():
        (expected,), (found,) = here.segment(asked), mixed.segment(asked)
    assert (found.dtype, found.device.type) == (torch.float32, torch.device(DEVICE).type)
    assert float(((found.cpu() > 0) == (expected > 0)).float().mean()) > 0.9

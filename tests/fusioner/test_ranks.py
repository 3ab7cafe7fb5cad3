"""Two ranks train the Fusioner that one rank trains, dropout included, whatever the split of a batch."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import torch
from torch import Tensor

from fsbench.index.benchmark import Benchmark, open_benchmark
from fsbench.training.data import training_data
from fsbench.training.feature_store import FeatureStore
from fsbench.training.ranks import Ranks
from fsbench.training.task import Setup
from fsbench.training.tensors import read_tensors
from fusioner import trainer
from fusioner.fusion import Draws
from fusioner.recipes import Recipe
from fusioner.steps import losses
from tests.fusioner.small_model import small_encoders, small_recipe, train
from tests.kills import CONTEXT, ended


def plan() -> Recipe:
    return small_recipe(batch=5, dropout=0.3, drop_path=0.3)


def run_rank(environment: dict[str, str], folder: str, place: str) -> None:
    """In a process of its own, under the environment that ``torchrun`` sets."""
    os.environ |= environment
    train(open_benchmark(folder), Path(place), plan())


def test_two_ranks_train_the_weights_of_one(small: Benchmark, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    processes = []
    for rank in "01":
        environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        target = environment, str(small.folder), str(tmp_path / "two")
        processes.append(CONTEXT.Process(target=run_rank, args=target))
        processes[-1].start()
    one = train(small, tmp_path / "one", plan())
    assert [ended(process) for process in processes] == [0, 0]
    weights, others = (
        read_tensors(folder / "model.safetensors")[0] for folder in (one, tmp_path / "two" / "run" / "fold1")
    )
    for layer in range(plan().layers):  # attention does not depend on a bias of its keys, whose gradient is rounding
        for of in (weights, others):
            of[f"fusion.blocks.{layer}.attn.qkv.bias"].chunk(3)[1].zero_()
    torch.testing.assert_close(weights, others, rtol=0, atol=1e-5)


def test_float64_leaves_no_difference(small: Benchmark, features: Path) -> None:
    """So what float32 shows between numbers of ranks is rounding; here the ranks take turns in one process."""

    def weights(ranks: int) -> Tensor:
        with FeatureStore(features) as store, small_encoders(plan()):
            setup = Setup("1", training_data(small, "1"), store, 0, torch.device("cpu"), Ranks())
            made = trainer.task(setup, visual="small-visual", text="small-text")
            module = made.module.double().train()
            for step in range(made.steps):
                groups = [group for optimizer in made.optimizers for group in optimizer.param_groups]
                for group, rates in zip(groups, made.rates(step), strict=True):
                    group.update(rates)
                for rank in range(ranks):
                    batch = made.batch(*divmod(step, made.steps_per_epoch), rank, ranks)
                    draws = Draws(torch.Generator().manual_seed(batch.seed), batch.place)
                    tokens, text = batch.tokens.double(), batch.text.double()
                    logits = module(tokens, text, batch.grid, batch.truths.shape[1:], draws)[:, 0]
                    losses(logits, batch.truths, 1.0, 1.0).total.backward()
                for optimizer in made.optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
        return torch.cat([p.detach().flatten() for name, p in module.named_parameters() if "qkv.bias" not in name])

    one = weights(1)
    for ranks in (2, 3):
        torch.testing.assert_close(weights(ranks), one, rtol=0, atol=1e-10)

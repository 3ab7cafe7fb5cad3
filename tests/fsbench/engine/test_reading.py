"""The reader gives what the benchmark gives, whatever it keeps, and no model's writing reaches another episode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbench.engine.evaluate import evaluate
from fsbench.engine.reading import MIB, Reader
from fsbench.errors import FsbenchError, ModelError
from fsbench.index.benchmark import Benchmark
from fsbench.io.resize import resize_nearest
from fsbench.models.contract import Episode
from tests.fsbench.sample_models import Bright, Masked


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["image", "support", "truth"]), st.integers(0, 19)), min_size=1, max_size=60),
    st.sampled_from([0, 10_000, 40_000, MIB]),
)
def test_whatever_is_kept_the_pixels_are_the_benchmarks(
    small: Benchmark, asked: list[tuple[str, int]], room: int
) -> None:
    reader = Reader(small, 0)
    reader._room = room
    pairs = small.lists.val["0"]
    for what, place in asked:
        sample, class_id = pairs[place % len(pairs)]
        if what == "image":
            got, expected = reader.image(sample).permute(1, 2, 0).numpy(), small.image(sample)
        elif what == "support":
            got, expected = reader.support_mask(sample, class_id).numpy(), small.support_mask(sample, class_id)
        else:
            got, expected = (
                reader.truth(sample, class_id, (9, 7)),
                resize_nearest(small.truth(sample, class_id), (9, 7)),
            )
        np.testing.assert_array_equal(got, expected)
        assert sum(kept.result().nbytes for kept in reader._kept.values()) == room - reader._room <= room


def test_what_many_threads_ask_for_is_read_once(small: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, together, read = Reader(small), Barrier(8), []
    once = Benchmark.image

    def counted(self: Benchmark, sample: str) -> npt.NDArray[np.uint8]:
        read.append(sample)
        return once(self, sample)

    def ask(_: int) -> list[int]:
        together.wait()
        return [int(reader.image(sample).sum()) for sample, _ in small.lists.val["0"]]

    monkeypatch.setattr(Benchmark, "image", counted)
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(ask, range(8)))
    assert sums == [sums[0]] * 8
    assert sorted(read) == sorted({sample for sample, _ in small.lists.val["0"]})


def test_an_error_is_said_each_time(small: Benchmark) -> None:
    reader = Reader(small)
    for _ in range(2):
        with pytest.raises(FsbenchError, match="'nowhere' is not in this benchmark"):
            reader.image("nowhere")


def _by_torch(image: torch.Tensor) -> None:
    image[:, 3, 5] ^= 1


def _by_numpy(image: torch.Tensor) -> None:
    image.numpy()[0, 0, 0] ^= 1


@pytest.mark.parametrize("write", [_by_torch, _by_numpy])
@pytest.mark.parametrize("of", ["query", "support"])
@pytest.mark.parametrize("cache_mib", [0, 512])
def test_a_model_that_writes_into_photographs_is_refused(
    small: Benchmark, tmp_path: Path, write: Callable[[torch.Tensor], None], of: str, cache_mib: int
) -> None:
    class Writes(Masked):
        def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
            answers = super().segment(episodes)
            if len(self.seen) == 3:
                write(episodes[1].image if of == "query" else episodes[1].prompts[0].support_images[0])
            return answers

    def ask() -> None:
        evaluate(Writes(), small, folds=0, shots=1, batch_size=4, cache_mib=cache_mib, out=tmp_path)

    if cache_mib == 0 and write == _by_numpy:
        ask()  # nobody else is shown that memory
        return
    with pytest.raises(ModelError, match=r"segment wrote into (a photograph|1 photographs, first thing_0)"):
        ask()
    (log,) = tmp_path.rglob("fold0.partial.jsonl")
    counted = len(log.read_bytes().splitlines()) - 1
    assert counted <= 2 if write == _by_torch else counted == 0, "nothing is kept that may be wrong"


def test_a_model_may_write_into_masks(small: Benchmark, tmp_path: Path) -> None:
    class Masks(Masked):
        def segment(self, episodes: Sequence[Episode]) -> list[torch.Tensor]:
            shown = [episode.prompts[0].support_masks[0] for episode in episodes]
            sizes = [episode.image.shape[1:] for episode in episodes]
            answers = [
                torch.full((1, *size), float((mask == 1).sum() - 300)) for mask, size in zip(shown, sizes, strict=True)
            ]
            for mask in shown:
                mask.zero_()
            return answers

    counted = [
        evaluate(
            Masks(), small, shots=1, batch_size=size, cache_mib=cache, out=tmp_path / f"{size}-{cache}"
        ).counts_sha256
        for size, cache in ((1, 0), (8, 512), (3, 1))
    ]
    assert len(set(counted)) == 1


def test_the_cache_changes_no_byte(small: Benchmark, tmp_path: Path) -> None:
    records = [
        evaluate(Bright(), small, cache_mib=cache, workers=workers, out=tmp_path / f"{cache}-{workers}")
        for cache, workers in ((0, 1), (0, 4), (512, 4))
    ]
    assert len({record.model_dump_json(exclude={"timings"}) for record in records}) == 1

"""The batches a model is given: they never split an image and hold nothing that gives the answer away."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

from fsbench.engine.batches import cut, image_token, read_episodes
from fsbench.engine.reading import Reader
from fsbench.episodes.draws import draw
from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.protocols import protocol_named
from fsbench.errors import FsbenchError
from fsbench.index.benchmark import Benchmark, Sample
from fsbench.index.fold_lists import FoldLists
from fsbench.models.contract import Episode

OURS, RAW = protocol_named("fsbench-v1"), protocol_named("lseg")


def manifest_of(queries: Sequence[str]) -> Manifest:
    questions = tuple(Question(query, (number,), ((),)) for number, query in enumerate(queries))
    return Manifest("b", "0", "p", 0, 0, questions, len(questions))


@given(st.lists(st.sampled_from("abcdefghij"), max_size=40), st.integers(1, 12))
def test_batches_hold_every_episode_once_and_split_no_image(asked: list[str], batch_size: int) -> None:
    batches = cut(manifest_of(asked), batch_size)
    assert [batch.index for batch in batches] == list(range(len(batches)))
    assert sorted(number for batch in batches for number in batch.numbers) == list(range(len(asked)))
    where: dict[str, set[int]] = {}
    for batch in batches:
        images = [asked[number] for number in batch.numbers]
        assert images
        assert len(images) <= batch_size or len(set(images)) == 1
        assert images == sorted(images, key=images.index), "episodes of an image stand together"
        for image in images:
            where.setdefault(image, set()).add(batch.index)
    assert all(len(batch_indices) == 1 for batch_indices in where.values())
    assert list(where) == list(dict.fromkeys(asked)), "images stand in the order of their first episode"
    assert all(
        list(batch.numbers) == sorted(batch.numbers, key=lambda n: (asked.index(asked[n]), n)) for batch in batches
    )
    for batch, following in pairwise(batches):
        assert len(batch.numbers) + asked.count(asked[following.numbers[0]]) > batch_size, "no room is wasted"
    others = tuple(Question(f"x{query}", (0, 1), (("s",), ("t",))) for query in asked)
    assert cut(replace(manifest_of(asked), seed=3, questions=others), batch_size) == batches


def test_batches_by_hand() -> None:
    batches = cut(manifest_of("abacbbbbd"), 3)
    assert [batch.numbers for batch in batches] == [(0, 2), (1, 4, 5, 6, 7), (3, 8)]
    assert cut(manifest_of(""), 3) == []


@pytest.fixture(scope="module")
def episodes(small: Benchmark) -> tuple[list[Question], list[Episode]]:
    """All episodes of a fold at 3 shots, as one batch."""
    questions = list(draw(small.lists, "1", OURS, 3, 0).questions)
    return questions, read_episodes(Reader(small), OURS, questions)


def test_a_model_sees_photographs_and_support_masks(
    small: Benchmark, episodes: tuple[list[Question], list[Episode]]
) -> None:
    for question, episode in zip(*episodes, strict=True):
        assert episode.image.dtype == torch.uint8
        assert episode.image.shape == (3, 24, 32)
        assert np.array_equal(episode.image.permute(1, 2, 0).numpy(), small.image(question.query))
        (prompt,) = episode.prompts
        assert len(prompt.support_images) == len(prompt.support_masks) == 3
        supports = zip(question.supports[0], prompt.support_images, prompt.support_masks, strict=True)
        for sample, image, mask in supports:
            assert image.dtype == mask.dtype == torch.uint8
            assert image.shape == (3, 24, 32)
            assert mask.shape == (24, 32)
            assert np.array_equal(image.permute(1, 2, 0).numpy(), small.image(sample))
            assert np.array_equal(mask.numpy(), small.truth(sample, question.class_ids[0]))
            assert set(mask.unique().tolist()) <= {0, 1}
            assert mask.any()


def test_prompts_follow_the_protocol_and_the_classes_asked(small: Benchmark) -> None:
    question = Question("thing_02/1", (2,), ((),))
    (prompt,) = read_episodes(Reader(small), OURS, [question])[0].prompts
    assert (prompt.class_name, prompt.support_images, prompt.support_masks) == ("thing 02", (), ())
    assert read_episodes(Reader(small), RAW, [question])[0].prompts[0].class_name == "thing_02"
    (episode,) = read_episodes(
        Reader(small), OURS, [Question("thing_00/1", (1, 0), (("thing_01/4",), ("thing_00/2",)))]
    )
    assert [prompt.class_name for prompt in episode.prompts] == ["thing 01", "thing 00"]
    assert np.array_equal(episode.prompts[0].support_masks[0].numpy(), small.truth("thing_01/4", 1))
    assert np.array_equal(episode.prompts[1].support_masks[0].numpy(), small.truth("thing_00/2", 0))
    with pytest.raises(FsbenchError, match="sample 'thing_00/11' is not in this benchmark"):
        read_episodes(Reader(small), OURS, [Question("thing_00/11", (0,), ((),))])


def test_an_image_is_read_once_a_batch(small: Benchmark, episodes: tuple[list[Question], list[Episode]]) -> None:
    tensors: dict[str, set[int]] = {}
    for question, episode in zip(*episodes, strict=True):
        shown = [episode.image, *episode.prompts[0].support_images]
        for sample, tensor in zip(question.samples(), shown, strict=True):
            tensors.setdefault(sample, set()).add(id(tensor))
    assert len(tensors) == 20
    assert all(len(objects) == 1 for objects in tensors.values())


def test_tokens_are_opaque_and_equal_for_the_same_image(small: Benchmark) -> None:
    ids = list(small.samples)
    tokens = [image_token(sample) for sample in ids]
    assert len(set(tokens)) == len(ids)
    assert tokens == [image_token(sample) for sample in ids]
    for sample, token in zip(ids, tokens, strict=True):
        assert len(token) == 16
        assert int(token, 16) >= 0
        assert sample not in token
    asked = [Question("thing_00/3", (class_id,), ((),)) for class_id in (0, 1)] + [Question("thing_00/4", (0,), ((),))]
    first, again, other = (episode.image_id for episode in read_episodes(Reader(small), OURS, asked))
    assert first == again == image_token("thing_00/3") != other


SKIPPED = (types.ModuleType, type, types.BuiltinFunctionType, types.CodeType, types.FrameType)


def reachable(root: object) -> Iterator[object]:
    """Everything that code holding ``root`` gets at through it, but for modules, types and a function's globals."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, SKIPPED):
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, types.FunctionType):
            waiting += [found.__closure__, found.__defaults__, found.__kwdefaults__, found.__dict__]
            continue
        waiting += gc.get_referents(found)
        if isinstance(found, Tensor):
            waiting += [found._base, found.grad, found.grad_fn, vars(found)]
        elif isinstance(found, np.ndarray):
            waiting.append(found.base)


def everything_in(found: object) -> bytes:
    """All the memory behind a tensor or array, whatever part of it is shown; b"" for anything else."""
    if isinstance(found, Tensor):
        return torch.empty(0, dtype=torch.uint8).set_(found.untyped_storage()).numpy().tobytes()
    if isinstance(found, np.ndarray):
        return np.ascontiguousarray(found).tobytes()
    return bytes(found) if isinstance(found, bytes | bytearray | memoryview) else b""


def leaks(root: object, truths: Sequence[np.ndarray[Any, Any]], secrets: Sequence[str]) -> list[str]:
    """What is wrong: a truth in any memory (as 0 and 1, 0 and 255, or as floats), a secret text, an object of ours."""
    found_leaks = []
    hidden = [form.tobytes() for truth in truths for form in (truth, truth * np.uint8(255), (truth == 1).astype("f4"))]
    for found in reachable(root):
        memory = everything_in(found)
        found_leaks += [f"a truth in {type(found).__name__}" for form in hidden if form in memory]
        if isinstance(found, str):
            found_leaks += [f"{secret!r} in {found!r}" for secret in secrets if secret in found]
        elif isinstance(found, Path | Benchmark | FoldLists | Sample | Manifest | Question):
            found_leaks.append(f"a {type(found).__name__}")
    return found_leaks


def secrets_of(benchmark: Benchmark) -> list[str]:
    files = [str(benchmark.folder), *map(str, benchmark.roots.values()), ".jpg", ".png", ".parquet"]
    return [*files, *benchmark.samples, "tiny"]


@pytest.mark.parametrize("protocol", [OURS, RAW], ids=["names-v1", "names-raw"])
@pytest.mark.parametrize("shots", [0, 3])
def test_no_episode_holds_its_answer(small: Benchmark, protocol: Any, shots: int) -> None:
    """An episode alone: at 1 shot and more, another episode's support may well be this one's query."""
    secrets = secrets_of(small)
    questions = list(draw(small.lists, "3", OURS, shots, 0).questions)
    for question, episode in zip(questions, read_episodes(Reader(small), protocol, questions), strict=True):
        assert leaks(episode, [small.truth(question.query, question.class_ids[0])], secrets) == []


def test_a_batch_at_0_shots_holds_no_answer_at_all(small: Benchmark) -> None:
    questions = list(draw(small.lists, "2", OURS, 0, 0).questions)
    truths = [small.truth(question.query, question.class_ids[0]) for question in questions]
    assert leaks(read_episodes(Reader(small), OURS, questions), truths, secrets_of(small)) == []


@dataclass
class _Holder:
    held: object


def _planted(small: Benchmark) -> dict[str, object]:
    truth = small.truth("thing_00/1", 0)
    tensor = torch.from_numpy(truth)
    both = torch.cat([torch.zeros(1, 24, 32, dtype=torch.uint8), tensor[None]])
    marked = torch.zeros(2)
    marked.__dict__["note"] = truth
    return {
        "a tensor": tensor,
        "another type": (tensor == 1).float(),
        "the mask as stored": truth * np.uint8(255),
        "an array": truth,
        "bytes": b"head" + truth.tobytes(),
        "a view that shows another part": both[0],
        "an array's base": np.stack([truth, truth])[0, :1],
        "an attribute of a tensor": marked,
        "a closure": lambda: truth.sum(),
        "a default": partial(lambda x: x, truth),
        "a bound method": small.truth,
        "a container": {"deep": [(frozenset(), {1: tensor})]},
        "a sample's id": {"name": ["thing_00/1"]},
        "a path": small.folder,
        "a path as text": f"{small.folder}/benchmark.json",
        "the benchmark": [small],
        "the question": Question("q", (0,), ((),)),
    }


def test_the_search_for_answers_finds_what_is_planted(small: Benchmark) -> None:
    truth = small.truth("thing_00/1", 0)
    (episode,) = read_episodes(Reader(small), OURS, [Question("thing_00/1", (0,), (("thing_00/2",),))])
    assert leaks(episode, [truth], secrets_of(small)) == []
    for name, plant in _planted(small).items():
        spoiled = replace(episode)
        object.__setattr__(spoiled, "hidden", _Holder(plant))
        assert leaks(spoiled, [truth], secrets_of(small)), name

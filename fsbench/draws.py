"""How episodes are drawn: one function per rule, each a pure function of lists, fold, shots and seed.

``every-pair`` is our own rule and ranks by SHA-256 of a spelled-out string, so that any language can reproduce it.
``cycled`` replays the evaluation of HSNet (Min et al., ICCV 2021) and LSeg (Li et al., ICLR 2022), which draw from
numpy's legacy generator: a private ``RandomState`` gives the same stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256

import numpy as np

from fsbench.errors import FsbenchError
from fsbench.fold_lists import FoldLists, Pair
from fsbench.manifest import Manifest, Question
from fsbench.protocols import Protocol

CYCLED_EPISODES = 1000
"""Episodes a fold in HSNet's and LSeg's evaluation of PASCAL-5i."""


def draw(
    lists: FoldLists,
    fold: str,
    protocol: Protocol,
    shots: int,
    seed: int,
    *,
    present: Collection[str] | None = None,
    draw_from_present: bool = False,
) -> Manifest:
    """The manifest of one fold.

    ``present``: ids of the samples whose files are at hand, None for all. Protocols of the papers draw on the full
    published list and then drop what has missing files; with ``draw_from_present`` they draw on what is at hand.
    Raises FsbenchError for an unknown fold, shots the protocol is not defined for, or a class with too few images.
    """
    lists.check_fold(fold)
    protocol.check(lists.name, shots)
    if seed < 0 or seed >= 2**32:
        raise FsbenchError(f"seed {seed}: must be from 0 to 4294967295")
    filter_first = draw_from_present or not protocol.published_draw
    pairs = [p for p in lists.val[fold] if not filter_first or present is None or p[0] in present]
    questions = _RULES[protocol.draw](lists, fold, protocol, pairs, shots, seed)
    kept = [q for q in questions if present is None or all(sample in present for sample in q.samples())]
    return Manifest(lists.name, fold, protocol.id, shots, seed, tuple(kept), drawn=len(questions))


def _by_class(pairs: Sequence[Pair]) -> dict[int, list[str]]:
    samples: dict[int, list[str]] = defaultdict(list)
    for sample, class_id in pairs:
        samples[class_id].append(sample)
    return samples


def _check_enough(lists: FoldLists, fold: str, samples: dict[int, list[str]], distinct: int) -> None:
    for class_id, of_class in samples.items():
        if len(set(of_class)) <= distinct:
            raise FsbenchError(
                f"{lists.name} fold {fold}: class {lists.classes[class_id].key} has {len(set(of_class))} images at "
                f"hand, but the query and its supports need {distinct + 1} different ones: add images"
                + (", or use fewer shots (-k)" if distinct > 1 else "")
            )


def _every_pair(
    lists: FoldLists, fold: str, protocol: Protocol, pairs: Sequence[Pair], shots: int, seed: int
) -> list[Question]:
    samples = _by_class(pairs)
    _check_enough(lists, fold, samples, shots)
    questions = []
    for query, class_id in pairs:
        prefix = f"{protocol.id}|{seed}|{lists.name}|{fold}|{class_id}|{query}"
        supports = ranked_supports(prefix, samples[class_id], query, shots)
        questions.append(Question(query, (class_id,), (supports,)))
    return questions


def ranked_supports(prefix: str, samples: Sequence[str], query: str, shots: int) -> tuple[str, ...]:
    """``shots`` distinct members of ``samples`` other than ``query``, by the rule of ``fsbench-v1``.

    Candidate t is the member at sha256(prefix|t) mod len(samples), for t = 0, 1, 2, …; the query and what is taken
    already are skipped, so the support of 1 shot is the first of those of 5. ``samples`` must hold enough of them.
    """
    supports: list[str] = []
    t = 0
    while len(supports) < shots:
        candidate = samples[int(sha256(f"{prefix}|{t}".encode()).hexdigest(), 16) % len(samples)]
        t += 1
        if candidate != query and candidate not in supports:
            supports.append(candidate)
    return tuple(supports)


def _cycled(
    lists: FoldLists, fold: str, protocol: Protocol, pairs: Sequence[Pair], shots: int, seed: int
) -> list[Question]:
    samples = _by_class(pairs)
    if shots:
        _check_enough(lists, fold, samples, 1)
    generator = np.random.RandomState(seed)
    questions = []
    for number in range(CYCLED_EPISODES if pairs else 0):
        query, class_id = pairs[number % len(pairs)]
        of_class = samples[class_id]
        supports: list[str] = []
        while len(supports) < shots:
            # choice(n) makes the same call on the generator as choice(list of n), and n is faster
            attempt = of_class[int(generator.choice(len(of_class), 1, replace=False)[0])]
            if attempt != query:
                supports.append(attempt)
        questions.append(Question(query, (class_id,), (tuple(supports),)))
    return questions


def _first_1000(
    lists: FoldLists, fold: str, protocol: Protocol, pairs: Sequence[Pair], shots: int, seed: int
) -> list[Question]:
    return [Question(query, (class_id,), ((),)) for query, class_id in pairs[:1000]]


_Rule = Callable[[FoldLists, str, Protocol, Sequence[Pair], int, int], list[Question]]
_RULES: dict[str, _Rule] = {"every-pair": _every_pair, "cycled": _cycled, "first-1000": _first_1000}

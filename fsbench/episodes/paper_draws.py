"""The draws of the papers: replayed exactly where possible, else by their rule.

HSNet (Min et al., ICCV 2021) and LSeg (Li et al., ICLR 2022) draw from numpy's legacy global generator in the main
process; a private ``RandomState`` gives the same stream. ``choice(len(list), …)`` is faster than their ``choice(list,
…)`` and draws the same. PFENet (Tian et al., TPAMI 2020) and PANet (Wang et al., ICCV 2019) draw in worker processes,
so their episodes depended on the number of workers: only their rules can be followed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fsbench.episodes.manifest import Question
from fsbench.episodes.pools import Pool
from fsbench.episodes.protocols import Protocol, Rule
from fsbench.index.image_order import image_order


def cycled(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """HSNet's and LSeg's PASCAL-5i: pair i mod n of the list; supports one by one until they are not the query."""
    generator = np.random.RandomState(pool.seed)
    questions = []
    for number in range(rule.episodes or 0) if pool.pairs else ():
        query, class_id = pool.pairs[number % len(pool.pairs)]
        questions.append(Question(query, (class_id,), (_attempts(generator, pool, query, class_id),)))
    return questions


def class_then_image(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """HSNet's and LSeg's COCO-20i: a class of the fold, then an image of its list, then supports."""
    generator = np.random.RandomState(pool.seed)
    class_ids = [class_id for class_id in sorted(pool.lists.folds[pool.fold]) if class_id in pool.samples]
    questions = []
    for _ in range(rule.episodes or 0) if class_ids else ():
        class_id = class_ids[_choice(generator, len(class_ids))]
        of_class = pool.samples[class_id]
        query = of_class[_choice(generator, len(of_class))]
        questions.append(Question(query, (class_id,), (_attempts(generator, pool, query, class_id),)))
    return questions


def each_test_image(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """HSNet's and LSeg's FSS-1000: every image of every class, classes and files sorted as strings.

    LSeg at 1 shot always supports with the class's first image, which is then no query.
    """
    generator = np.random.RandomState(pool.seed)
    key = {class_id: pool.lists.classes[class_id].key for class_id in pool.samples}
    questions = []
    for class_id in sorted(pool.samples, key=lambda class_id: key[class_id]):
        first = pool.samples[class_id][0] if rule.first_support and pool.shots else None
        for query in sorted(pool.samples[class_id]):
            if query == first:
                continue
            supports = _attempts(generator, pool, query, class_id) if first is None else (first,)
            questions.append(Question(query, (class_id,), (supports,)))
    return questions


def first_pairs(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """Fusioner's: the sorted set of (image, class), cut off after so many."""
    return [Question(query, (class_id,), ((),)) for query, class_id in sorted(set(pool.pairs))[: rule.episodes]]


def image_cycle(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """PFENet's: images in list order, over and over; one of the image's listed classes; distinct supports."""
    generator = np.random.RandomState(pool.seed)
    classes: dict[str, list[int]] = {}
    for query, class_id in pool.pairs:
        classes.setdefault(query, []).append(class_id)
    images = image_order(pool.pairs)
    questions = []
    for number in range(rule.episodes or 0) if images else ():
        query = images[number % len(images)]
        class_id = sorted(classes[query])[generator.randint(len(classes[query]))]
        supports = _distinct(generator, pool.samples[class_id], (query,), pool.shots)
        questions.append(Question(query, (class_id,), (supports,)))
    return questions


def from_pool(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """PANet's: a class, then distinct images of it, the query last; run r is seeded with seed + r, as in its code."""
    generator = np.random.RandomState((pool.seed + pool.run) % 2**32)
    class_ids = [class_id for class_id in sorted(pool.lists.folds[pool.fold]) if class_id in pool.samples]
    questions = []
    for _ in range(rule.episodes or 0) if class_ids else ():
        class_id = class_ids[generator.randint(len(class_ids))]
        *supports, query = _distinct(generator, pool.samples[class_id], (), pool.shots + 1)
        questions.append(Question(query, (class_id,), (tuple(supports),)))
    return questions


def _choice(generator: np.random.RandomState, number: int) -> int:
    return int(generator.choice(number, 1, replace=False)[0])


def _attempts(generator: np.random.RandomState, pool: Pool, query: str, class_id: int) -> tuple[str, ...]:
    """Supports drawn one by one until not the query; a support may repeat."""
    of_class = pool.samples[class_id]
    supports: list[str] = []
    while len(supports) < pool.shots:
        attempt = of_class[_choice(generator, len(of_class))]
        if attempt != query:
            supports.append(attempt)
    return tuple(supports)


def _distinct(
    generator: np.random.RandomState, samples: Sequence[str], excluded: tuple[str, ...], number: int
) -> tuple[str, ...]:
    """``number`` different members of ``samples`` that are not ``excluded``, drawn one by one."""
    drawn: list[str] = []
    while len(drawn) < number:
        attempt = samples[generator.randint(len(samples))]
        if attempt not in drawn and attempt not in excluded:
            drawn.append(attempt)
    return tuple(drawn)

"""Drawing of episodes: one function per rule, each a pure function of lists, fold, shots and seed.

Our own rules rank by SHA-256 of a string, so any language can reproduce them. Those of the papers (``paper_draws.py``)
replay numpy's legacy generator with a private ``RandomState``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256

from fsbench.episodes.manifest import Manifest, Question
from fsbench.episodes.paper_draws import class_then_image, cycled, each_test_image, first_pairs, from_pool, image_cycle
from fsbench.episodes.pools import Pool, make_pool
from fsbench.episodes.protocols import Draw, Protocol, Rule
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import FoldLists, Pair
from fsbench.index.truths import check_prompt_count

SEEDS = 2**32


def draw(
    lists: FoldLists,
    fold: str,
    protocol: Protocol,
    shots: int,
    seed: int,
    *,
    run: int = 0,
    present: Collection[str] | None = None,
    draw_from_present: bool = False,
) -> Manifest:
    """The manifest of one fold.

    ``run``: which of the protocol's runs. ``present``: ids of the samples that are present, None for all. Protocols of
    the papers draw on the full published list and then drop episodes with missing files; with ``draw_from_present``
    they draw on the samples present, and of a partial benchmark a class with too few of them is not asked. Raises
    FsbenchError for an unknown fold, shots or a run that the protocol is not defined for, or a class of the whole
    benchmark with too few images.
    """
    lists.check_fold(fold)
    rule = protocol.check(lists.name, shots)
    if not 0 <= seed < SEEDS:
        raise FsbenchError(f"seed {seed}: must be from 0 to {SEEDS - 1}")
    if not 0 <= run < protocol.runs:
        raise FsbenchError(f"run {run}: protocol {protocol.id} has the runs 0 to {protocol.runs - 1}")
    filtered = present if draw_from_present or not protocol.published_draw else None
    pool, drawn_of = make_pool(lists, fold, protocol, rule, shots, seed, run, filtered)
    questions = _DRAW_FUNCTIONS[rule.draw](pool, protocol, rule)
    kept = [q for q in questions if present is None or all(sample in present for sample in q.samples())]
    return Manifest(
        lists.name, fold, protocol.id, shots, seed, tuple(kept), drawn=max(drawn_of, len(questions)), run=run
    )


def _every_pair(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    pairs = pool.pairs if protocol.per_class is None else _ranked_pairs(pool, protocol, protocol.per_class)
    return [
        Question(query, (class_id,), (_supports(pool, protocol.supports_as or protocol.id, query, class_id),))
        for query, class_id in pairs
    ]


def _ranked_pairs(pool: Pool, protocol: Protocol, per_class: int) -> list[Pair]:
    """Of each class the ``per_class`` pairs with the smallest hash, in list order."""

    def rank(pair: Pair) -> str:
        query, class_id = pair
        text = f"{protocol.id}|{pool.seed}|{pool.lists.name}|{pool.fold}|{class_id}|{query}"
        return sha256(text.encode()).hexdigest()

    of_class: dict[int, list[Pair]] = defaultdict(list)
    for pair in pool.pairs:
        of_class[pair[1]].append(pair)
    kept = {pair for pairs in of_class.values() for pair in sorted(pairs, key=rank)[:per_class]}
    return [pair for pair in pool.pairs if pair in kept]


def _every_image(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """Each image once, in the order of its first pair, with all classes asked, by ascending id."""
    fold = pool.lists.folds[pool.fold]
    if protocol.asks == "benchmark" and len(pool.lists.folds) == 1:
        fault = f"{pool.lists.name} has one fold, so no class is seen"
        raise FsbenchError(f"protocol {protocol.id}: {fault}: use fsbench-multi-v1")
    every = [class_id for of_fold in pool.lists.folds.values() for class_id in of_fold]
    asked = sorted(fold if protocol.asks == "fold" else every)
    if pool.shots:
        asked = [class_id for class_id in asked if class_id in pool.samples]
    check_prompt_count(asked)
    queries = dict.fromkeys(query for query, _ in pool.pairs)
    return [Question(query, tuple(asked), _supports_of_all(pool, protocol.id, query, asked)) for query in queries]


def _supports_of_all(pool: Pool, name: str, query: str, asked: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """``_supports`` of every class; a short cut at 1 shot, as COCO's 80 classes have two million supports a fold."""
    if pool.shots != 1:
        return tuple(_supports(pool, name, query, class_id) for class_id in asked)
    head, tail = f"{name}|{pool.seed}|{pool.lists.name}|{pool.fold}|", f"|{query}|0"
    classes = [(f"{head}{class_id}{tail}".encode(), pool.samples[class_id]) for class_id in asked]
    firsts = [of_class[int.from_bytes(sha256(text).digest(), "big") % len(of_class)] for text, of_class in classes]
    return tuple(
        (first,) if first != query else _supports(pool, name, query, class_id)
        for first, class_id in zip(firsts, asked, strict=True)
    )


def _scenes(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """Scene by scene: its classes by position, then one that is not in it; no support is in its scene."""
    scenes = pool.lists.scenes
    assert scenes is not None, "protocols of scenes are defined for benchmarks of scenes alone"
    asked: dict[str, list[Question]] = defaultdict(list)
    for query, class_id in pool.pairs:
        source = scenes.tiles[query][len(asked[query])]
        supports = _supports(pool, protocol.id, query, class_id, source)
        asked[query].append(Question(query, (class_id,), (supports,), source))
    for query, class_id in scenes.absent.items():
        asked[query].append(Question(query, (class_id,), (_supports(pool, protocol.id, query, class_id),), absent=True))
    return [question for of_query in asked.values() for question in of_query]


def _supports(pool: Pool, name: str, query: str, class_id: int, source: str | None = None) -> tuple[str, ...]:
    """``source``: the photograph of the class in the query, which cannot support: the query itself unless given."""
    if not pool.shots:
        return ()
    prefix = f"{name}|{pool.seed}|{pool.lists.name}|{pool.fold}|{class_id}|{query}"
    return ranked_supports(prefix, pool.samples[class_id], source or query, pool.shots)


def ranked_supports(prefix: str, samples: Sequence[str], query: str, shots: int) -> tuple[str, ...]:
    """``shots`` distinct members of ``samples`` other than ``query``, by the rule of ``fsbench-v1``.

    Attempt t takes the member at sha256(prefix|t) mod len(samples), for t = 0, 1, 2, …; the query and supports taken
    before are skipped, so the support of 1 shot is the first of those of 5. ``samples`` must hold enough of them.
    """
    supports: list[str] = []
    t = 0
    while len(supports) < shots:
        digest = sha256(f"{prefix}|{t}".encode()).digest()
        attempt = samples[int.from_bytes(digest, "big") % len(samples)]
        t += 1
        if attempt != query and attempt not in supports:
            supports.append(attempt)
    return tuple(supports)


_Draw = Callable[[Pool, Protocol, Rule], list[Question]]
_DRAW_FUNCTIONS: dict[Draw, _Draw] = {
    "every-pair": _every_pair,
    "every-image": _every_image,
    "cycled": cycled,
    "class-then-image": class_then_image,
    "each-test-image": each_test_image,
    "first-1000": first_pairs,
    "image-cycle": image_cycle,
    "pool": from_pool,
    "scenes": _scenes,
}

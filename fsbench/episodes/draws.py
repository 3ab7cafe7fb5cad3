"""How episodes are drawn: one function per rule, each a pure function of lists, fold, shots and seed.

Our own rules rank by SHA-256 of a spelled-out string, so that any language can reproduce them. Those of the papers
replay numpy's legacy generator, for which a private ``RandomState`` gives the same stream; they are in
``paper_draws.py``.
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

    ``run``: which of the protocol's runs. ``present``: ids of the samples whose files are at hand, None for all.
    Protocols of the papers draw on the full published list and then drop what has missing files; with
    ``draw_from_present`` they draw on what is at hand. Where that is a part of the benchmark, a class with too few
    images at hand is not asked. Raises FsbenchError for an unknown fold, shots or a run that the protocol is not
    defined for, or a class of the whole benchmark with too few images.
    """
    lists.check_fold(fold)
    rule = protocol.check(lists.name, shots)
    if not 0 <= seed < SEEDS:
        raise FsbenchError(f"seed {seed}: must be from 0 to {SEEDS - 1}")
    if not 0 <= run < protocol.runs:
        raise FsbenchError(f"run {run}: protocol {protocol.id} has the runs 0 to {protocol.runs - 1}")
    filtered = present if draw_from_present or not protocol.published_draw else None
    pool, drawn_of = make_pool(lists, fold, protocol, rule, shots, seed, run, filtered)
    questions = _RULES[rule.draw](pool, protocol, rule)
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
        said = f"{protocol.id}|{pool.seed}|{pool.lists.name}|{pool.fold}|{class_id}|{query}"
        return sha256(said.encode()).hexdigest()

    of_class: dict[int, list[Pair]] = defaultdict(list)
    for pair in pool.pairs:
        of_class[pair[1]].append(pair)
    kept = {pair for pairs in of_class.values() for pair in sorted(pairs, key=rank)[:per_class]}
    return [pair for pair in pool.pairs if pair in kept]


def _every_image(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """Each image once, in the order of its first pair; all classes that are asked with it, by ascending id."""
    fold = pool.lists.folds[pool.fold]
    if protocol.asks == "benchmark" and len(pool.lists.folds) == 1:
        said = f"{pool.lists.name} has one fold, so that no class is seen beside it"
        raise FsbenchError(f"protocol {protocol.id}: {said}: use fsbench-multi-v1")
    every = [class_id for of_fold in pool.lists.folds.values() for class_id in of_fold]
    asked = sorted(fold if protocol.asks == "fold" else every)
    if pool.shots:
        asked = [class_id for class_id in asked if class_id in pool.samples]
    check_prompt_count(asked)
    queries = dict.fromkeys(query for query, _ in pool.pairs)
    return [Question(query, tuple(asked), _supports_together(pool, protocol.id, query, asked)) for query in queries]


def _supports_together(pool: Pool, name: str, query: str, asked: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """``_supports`` of every class asked; at 1 shot the first candidate mostly is the support, with no more to do.

    COCO's 80 classes at once are two million supports a fold.
    """
    if pool.shots != 1:
        return tuple(_supports(pool, name, query, class_id) for class_id in asked)
    head, tail = f"{name}|{pool.seed}|{pool.lists.name}|{pool.fold}|", f"|{query}|0"
    classes = [(f"{head}{class_id}{tail}".encode(), pool.samples[class_id]) for class_id in asked]
    firsts = [of_class[int.from_bytes(sha256(said).digest(), "big") % len(of_class)] for said, of_class in classes]
    return tuple(
        [
            (first,) if first != query else _supports(pool, name, query, class_id)
            for first, class_id in zip(firsts, asked, strict=True)
        ]
    )


def _scenes(pool: Pool, protocol: Protocol, rule: Rule) -> list[Question]:
    """Scene by scene: its classes by position, then one that is not in it; no support stands in its scene."""
    scenes = pool.lists.scenes
    assert scenes is not None, "a protocol that draws scenes is defined for benchmarks of scenes alone"
    asked: dict[str, list[Question]] = defaultdict(list)
    for query, class_id in pool.pairs:
        source = scenes.tiles[query][len(asked[query])]
        supports = _supports(pool, protocol.id, query, class_id, source)
        asked[query].append(Question(query, (class_id,), (supports,), source))
    for query, class_id in scenes.absent.items():
        asked[query].append(Question(query, (class_id,), (_supports(pool, protocol.id, query, class_id),), absent=True))
    return [question for of_query in asked.values() for question in of_query]


def _supports(pool: Pool, name: str, query: str, class_id: int, shown: str | None = None) -> tuple[str, ...]:
    """``shown``: the photograph of the class in the query, which is no support: the query itself unless given."""
    if not pool.shots:
        return ()
    prefix = f"{name}|{pool.seed}|{pool.lists.name}|{pool.fold}|{class_id}|{query}"
    return ranked_supports(prefix, pool.samples[class_id], shown or query, pool.shots)


def ranked_supports(prefix: str, samples: Sequence[str], query: str, shots: int) -> tuple[str, ...]:
    """``shots`` distinct members of ``samples`` other than ``query``, by the rule of ``fsbench-v1``.

    Candidate t is the member at sha256(prefix|t) mod len(samples), for t = 0, 1, 2, …; the query and what is taken
    already are skipped, so the support of 1 shot is the first of those of 5. ``samples`` must hold enough of them.
    """
    supports: list[str] = []
    t = 0
    while len(supports) < shots:
        digest = sha256(f"{prefix}|{t}".encode()).digest()
        candidate = samples[int.from_bytes(digest, "big") % len(samples)]
        t += 1
        if candidate != query and candidate not in supports:
            supports.append(candidate)
    return tuple(supports)


_Draw = Callable[[Pool, Protocol, Rule], list[Question]]
_RULES: dict[Draw, _Draw] = {
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

"""The pool a protocol draws from: the pairs of a fold that may be asked, and the images that may support."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fsbench.episodes.protocols import Protocol, Rule
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import FoldLists, Pair


@dataclass(frozen=True)
class Pool:
    """The pairs of a fold that may be asked, in list order, of classes with enough images.

    ``samples``: class id -> the samples its supports are drawn from, in list order.
    """

    lists: FoldLists
    fold: str
    pairs: tuple[Pair, ...]
    samples: Mapping[int, Sequence[str]]
    shots: int
    seed: int
    run: int


def make_pool(
    lists: FoldLists,
    fold: str,
    protocol: Protocol,
    rule: Rule,
    shots: int,
    seed: int,
    run: int,
    present: Collection[str] | None,
) -> tuple[Pool, int]:
    """The pool, and the number of questions if no class were left out for too few images (0: unknown)."""
    whole = lists.val[fold] if rule.train_lists is None else lists.train[rule.train_lists][fold]
    left_out = () if protocol.published_draw else lists.without_mask

    def asked_of(sample: str) -> bool:
        return (present is None or sample in present) and sample not in left_out

    pairs = [pair for pair in whole if asked_of(pair[0])]
    beyond: Mapping[str, Sequence[Pair]] = lists.val if protocol.asks == "benchmark" else {fold: pairs}
    samples: dict[int, list[str]] = defaultdict(list)
    for of_fold in beyond.values():
        for sample, class_id in of_fold:
            if asked_of(sample):
                samples[class_id].append(sample)
    if rule.draw == "scenes" and lists.scenes is not None:
        samples = defaultdict(list, {class_id: list(of_class) for class_id, of_class in lists.scenes.supports.items()})
    needed = shots if protocol.supports_as or rule.draw in ("image-cycle", "pool") else min(shots, 1)
    few = {class_id for class_id, of_class in samples.items() if needed and len(set(of_class)) <= needed}
    if few and present is None:
        class_id = min(few)
        key = lists.classes[class_id].key
        raise FsbenchError(
            f"{lists.name} fold {fold}: class {key} has {len(set(samples[class_id]))} images, "
            f"but the query and its supports need {needed + 1} different ones: add images"
            + (", or use fewer shots (-k)" if needed > 1 else "")
        )
    asked = tuple(pair for pair in pairs if pair[1] not in few)
    enough = {class_id: of_class for class_id, of_class in samples.items() if class_id not in few}
    drawn_of = len(pairs) if rule.draw == "every-pair" and protocol.per_class is None else 0
    return Pool(lists, fold, asked, enough, shots, seed, run), drawn_of

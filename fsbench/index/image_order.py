"""The order of images behind a fold's list, which is grouped by class.

The published COCO-20i lists order each class's images by a list that was not published. PFENet's protocol walks through
images in that order: here it is merged from the classes' orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import Pair


def image_order(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """All images of ``pairs``, each once, in an order that agrees with the order within every class.

    If that leaves it open, the image that is earlier in its class (as a fraction of its length, the least over its
    classes) goes first, then the one listed first. Raises FsbenchError if two classes contradict each other.

    >>> image_order([("a", 0), ("c", 0), ("b", 1), ("c", 1), ("d", 1)])
    ('a', 'b', 'c', 'd')
    """
    of_class: dict[int, list[str]] = {}
    for image, class_id in pairs:
        of_class.setdefault(class_id, []).append(image)
    listed = {image: place for place, image in enumerate(dict.fromkeys(image for image, _ in pairs))}
    followers: dict[str, list[str]] = {image: [] for image in listed}
    waiting = dict.fromkeys(listed, 0)
    early = dict.fromkeys(listed, 1.0)
    for images in of_class.values():
        for place, image in enumerate(images):
            early[image] = min(early[image], place / len(images))
            if place:
                followers[images[place - 1]].append(image)
                waiting[image] += 1
    ready: list[tuple[float, int, str]] = []
    for image, before in waiting.items():
        if not before:
            heappush(ready, (early[image], listed[image], image))
    order = []
    while ready:
        image = heappop(ready)[2]
        order.append(image)
        for follower in followers[image]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heappush(ready, (early[follower], listed[follower], follower))
    if len(order) != len(listed):
        stuck = next(image for image in listed if waiting[image])
        raise FsbenchError(f"list of {len(listed)} images: its classes disagree about the order of {stuck}: sort it")
    return tuple(order)

"""The published FSS-1000 class lists, shipped with fsbench so that class ids are known without any image.

Li et al. (CVPR 2020) name the 240 test classes; the split of the other 760 into 520 and 240 is the one that the field's
code uses. The lists are kept in the published order and come back byte for byte; class ids go by byte order.
``tools/pack_fss_lists.py`` makes the file.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

from fsbench.benchmarks.shipped_lists import known, unpacked

ListName = Literal["train", "val", "test"]
LISTS: tuple[ListName, ...] = get_args(ListName)

PUBLISHED_SHA256: dict[ListName, str] = {
    "train": "815bce03f2502719ba3bd9c1f79111b74ec8ab63e6111830ff7312de49b1cf17",
    "val": "9cac02c58602f2789b4e6393200e450e3ba1edae6673d6a87ae2063d0c547aee",
    "test": "81831fe6993ce88a98eb962e1b0b6fcb4f6304e681673b193ff2823d4b3614b5",
}
"""List name -> SHA-256 (hex) of the published file."""

WITHOUT_MASK = ("peregine_falcon/8",)
"""Samples of which the only release has no mask: ``peregine_falcon/8.png`` is a photograph of 480 x 960
(HKUSTCV/FSS-1000, issues 8 and 23). Whatever a copy holds in its place, everyone is asked the same questions."""


@cache
def published_text(name: ListName) -> str:
    """The published file, a class name a line; raises FsbenchError for an unknown list."""
    place = LISTS.index(known("FSS-1000", "list", name, LISTS))
    return unpacked("fss-1000-lists.txt.xz").decode("ascii").split("# ")[1:][place].partition("\n")[2]


def class_keys(name: ListName) -> tuple[str, ...]:
    """The classes of a list in byte order, which is the order of their ids; raises FsbenchError for an unknown list.

    >>> len(class_keys("test")), class_keys("test")[0]
    (240, "abe's_flyingfish")
    """
    return tuple(sorted(published_text(name).splitlines(), key=str.encode))


@cache
def all_keys() -> tuple[str, ...]:
    """All 1000 classes by id: train 0..519, val 520..759, test 760..999.

    >>> all_keys()[0], all_keys()[519], all_keys()[520], all_keys()[999]
    ('ac_wall', 'zucchini', 'ab_wheel', 'wooden_spoon')
    """
    return tuple(key for name in LISTS for key in class_keys(name))


@cache
def class_ids(name: ListName) -> tuple[int, ...]:
    """The ids of a list's classes; raises FsbenchError for an unknown list.

    >>> class_ids("test")[0], class_ids("test")[-1]
    (760, 999)
    """
    count = len(class_keys(name))
    first = sum(len(class_keys(before)) for before in LISTS[: LISTS.index(name)])
    return tuple(range(first, first + count))

"""The protocols: frozen, named values that fix which episodes are asked and how answers are compared.

Each is a procedure behind published numbers, or our own; numbers from two of them are not comparable. A published
protocol never changes: a correction is a new id. ``draws.py`` draws the episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import FoldLists

Draw = Literal[
    "every-pair",
    "every-image",
    "cycled",
    "class-then-image",
    "each-test-image",
    "first-1000",
    "image-cycle",
    "pool",
    "scenes",
]
Asks = Literal["class", "fold", "benchmark"]

UNION = "instances-crowd-void-v1"
FILLPOLY = "fillpoly-v1"
PNG = "png"
COCO_MASK_RULES = (UNION, FILLPOLY, PNG)
"""The mask rules on COCO, of which a protocol binds one; other benchmarks have one rule each."""

ANY = "*"


@dataclass(frozen=True)
class Rule:
    """How a protocol draws on one benchmark.

    ``episodes``: per fold, if fixed. ``first_support``: the class's first image supports all others (LSeg on FSS-1000
    at 1 shot). ``train_lists``: the train lists drawn from.
    """

    draw: Draw
    episodes: int | None = None
    least_shots: int = 0
    most_shots: int | None = None
    first_support: bool = False
    train_lists: str | None = None


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    ``rules``: benchmark -> how it is drawn there, ``*`` for any other benchmark. ``size``: side of the square at which
    pixels are compared, None for the photograph's own size. ``names``: spelling of class names. ``empty``: a fold's
    class with no sample is left out and named (``drop``) or counts 0 (``zero``). ``published_draw``: episodes are drawn
    on the full published list and dropped if files are missing (else the list is filtered first). ``coco_masks``: the
    mask rule on COCO. ``asks``: one class at a time, or all of the fold or benchmark at once. ``per_class``: only so
    many pairs of each class. ``supports_as``: the id hashed for supports, if not its own. ``skip_vanished``: episodes
    whose mask has no pixel at ``size`` are not counted. ``runs``: independent draws, reported as mean and deviation.
    ``rule_only``: the published draws cannot be replayed, only their rule. ``tiles``: queries are scenes of so many
    tiles, each asked for its classes and for one that is absent.
    """

    id: str
    rules: Mapping[str, Rule]
    about: str
    who: str = "fsbench"
    size: int | None = None
    names: Literal["names-v1", "names-raw"] = "names-v1"
    empty: Literal["drop", "zero"] = "drop"
    published_draw: bool = False
    coco_masks: str = FILLPOLY
    asks: Asks = "class"
    per_class: int | None = None
    supports_as: str | None = None
    skip_vanished: bool = False
    runs: int = 1
    rule_only: bool = False
    tiles: int | None = None

    @property
    def title(self) -> str:
        """The id as it is printed."""
        return f"{self.id} (rule only)" if self.rule_only else self.id

    def rule(self, benchmark: str) -> Rule:
        """How episodes are drawn on ``benchmark``; raises FsbenchError if that is not defined."""
        found = self.rules.get(benchmark) or self.rules.get(ANY)
        if found is None:
            defined = ", ".join(self.rules)
            raise FsbenchError(f"protocol {self.id} is defined for {defined}, not for {benchmark}: try fsbench-v1")
        return found

    def check(self, benchmark: str, shots: int) -> Rule:
        """The rule; raises FsbenchError if it is not defined for the benchmark or the number of shots."""
        rule = self.rule(benchmark)
        if shots < rule.least_shots:
            instead = " (its 0-shot form is lseg)" if self.id.startswith("hsnet") else ""
            raise FsbenchError(
                f"protocol {self.id} is defined for {rule.least_shots} shots or more, not {shots}{instead}: use -k"
            )
        if rule.most_shots is not None and shots > rule.most_shots:
            raise FsbenchError(
                f"protocol {self.id} is defined for at most {rule.most_shots} shots on {benchmark}, not {shots}: "
                "use -k, or another protocol"
            )
        return rule

    def other_masks(self, mask_rule: str) -> bool:
        """Whether ``mask_rule`` makes other COCO masks than the protocol binds."""
        return mask_rule in COCO_MASK_RULES and mask_rule != self.coco_masks


def _ours(protocol_id: str, draw: Draw, about: str, asks: Asks = "class", per_class: int | None = None) -> Protocol:
    return Protocol(
        id=protocol_id,
        rules={ANY: Rule(draw)},
        about=about,
        coco_masks=UNION,
        asks=asks,
        per_class=per_class,
        supports_as="fsbench-v1" if per_class else protocol_id,
    )


def _hsnet_rules(fss: Rule, least_shots: int = 0, most_shots: int | None = None) -> dict[str, Rule]:
    rules = {"pascal-5i": Rule("cycled", 1000, least_shots, most_shots)}
    rules["coco-20i"] = Rule("class-then-image", 1000, least_shots, most_shots)
    return rules | {"fss-1000": fss, "fss-1000-classes": fss}


def _hsnet(size: int, who: str) -> Protocol:
    return Protocol(
        id="hsnet" if size == 400 else f"hsnet@{size}",
        rules=_hsnet_rules(Rule("each-test-image", least_shots=1), least_shots=1),
        size=size,
        empty="zero",
        published_draw=True,
        who=who,
        about=f"1000 episodes a fold (FSS-1000: each test image), numpy's legacy generator, supports may repeat, "
        f"compared at {size} x {size}",
    )


def _fusioner(size: int | None) -> Protocol:
    rule = Rule("first-1000", 1000, most_shots=0)
    return Protocol(
        id="fusioner" if size is None else f"fusioner@{size}",
        rules={"pascal-5i": rule, "coco-20i": rule},
        size=size,
        names="names-raw",
        published_draw=True,
        who="Fusioner",
        about="every pair once, sorted, at most 1000, by text, compared at "
        + ("the photograph's size" if size is None else f"{size} x {size}"),
        skip_vanished=size is not None,
    )


def _pfenet(episodes: Mapping[str, int], suffix: str, who: str) -> Protocol:
    counts = " / ".join(map(str, sorted(set(episodes.values()))))
    return Protocol(
        id=f"pfenet{suffix}",
        rules={name: Rule("image-cycle", number, least_shots=1) for name, number in episodes.items()},
        empty="zero",
        published_draw=True,
        who=who,
        about=f"images in list order, one of their classes at random, distinct supports, {counts} episodes a fold, "
        "compared at original size",
        rule_only=True,
    )


def _mosaic(tiles: int) -> Protocol:
    name = f"mosaic{tiles}"
    return Protocol(
        id=f"{name}-v1",
        rules={name: Rule("scenes"), f"{name}-classes": Rule("scenes")},
        about=f"each mosaic asked for each of its {tiles} classes and for one that is not in it; tells naming from "
        "segmenting, compared at original size",
        supports_as=f"{name}-v1",
        tiles=tiles,
    )


PROTOCOLS: dict[str, Protocol] = {
    protocol.id: protocol
    for protocol in (
        _ours(
            "fsbench-v1",
            "every-pair",
            "every pair of the fold's val list once, distinct supports by SHA-256, compared at original size",
        ),
        _ours(
            "fsbench-v1-50",
            "every-pair",
            "of each class the 50 pairs that SHA-256 ranks first; supports and all else as fsbench-v1",
            per_class=50,
        ),
        _ours(
            "fsbench-multi-v1",
            "every-image",
            "each val image of the fold once, all of the fold's classes asked at once, confusion counts",
            asks="fold",
        ),
        _ours(
            "fsbench-general-v1",
            "every-image",
            "each val image of the fold once, all classes of the benchmark asked: seen, unseen, harmonic mean",
            asks="benchmark",
        ),
        _hsnet(400, "HSNet, VAT, Matcher"),
        _hsnet(417, "descendants of HSNet at 417"),
        _hsnet(473, "descendants of HSNet at 473"),
        _hsnet(518, "descendants of HSNet at 518"),
        Protocol(
            id="lseg",
            rules=_hsnet_rules(Rule("each-test-image", most_shots=1, first_support=True), most_shots=0),
            size=480,
            names="names-raw",
            empty="zero",
            published_draw=True,
            who="LSeg",
            about="as hsnet with no support (FSS-1000 at 1 shot: 1.jpg supports the other nine), compared at 480 x 480",
        ),
        _fusioner(None),
        _fusioner(224),
        _pfenet({"pascal-5i": 5001, "coco-20i": 20001}, "", "PFENet"),
        _pfenet({"pascal-5i": 1000, "coco-20i": 1000}, "@1000", "BAM"),
        _pfenet({"coco-20i": 10000}, "@10000", "HDMNet"),
        Protocol(
            id="panet",
            rules={
                "pascal-5i": Rule("pool", 1000, least_shots=1, train_lists="fusioner"),
                "coco-20i-contiguous": Rule("pool", 1000, least_shots=1, train_lists="published"),
            },
            size=417,
            published_draw=True,
            who="PANet",
            about="class uniform, distinct images of the train pool, 5 runs of 1000 episodes, compared at 417 x 417",
            runs=5,
            rule_only=True,
        ),
        *map(_mosaic, (4, 9, 16)),
    )
}

DEFAULT = "fsbench-v1"
"""The default protocol, but on benchmarks of composed scenes, which have their own."""


def protocol_named(protocol_id: str) -> Protocol:
    """The protocol with this id; raises FsbenchError for an unknown one."""
    if protocol_id not in PROTOCOLS:
        raise FsbenchError(f"no protocol {protocol_id!r}: choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol_id]


def default_protocol(lists: FoldLists) -> Protocol:
    """The default protocol of a benchmark."""
    return protocol_named(DEFAULT if lists.scenes is None else lists.scenes.protocol)

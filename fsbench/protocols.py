"""The protocols: frozen, named values that say which questions are asked and how answers are compared.

Each stands for a procedure that published numbers came from, or for our own; numbers from two of them are not
comparable. A published protocol never changes: a correction is a new id. How episodes are drawn is in ``draws.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fsbench.errors import FsbenchError

Draw = Literal["every-pair", "cycled", "first-1000"]


@dataclass(frozen=True)
class Protocol:
    """One way to ask.

    ``size``: side of the square at which pixels are compared, None for the photograph's own size. ``empty``: what
    becomes of a fold's class with no sample (``drop``: left out and named; ``zero``: counts 0). ``names``: spelling of
    class names shown to the model. ``published_draw``: episodes are drawn on the full published list, and those whose
    files are missing are dropped afterwards (else the list is filtered first). ``skip_vanished``: episodes whose mask
    has no pixel left at ``size`` are not counted. ``benchmarks``: where the protocol is defined, None for anywhere.
    """

    id: str
    draw: Draw
    size: int | None
    names: Literal["names-v1", "names-raw"]
    empty: Literal["drop", "zero"]
    least_shots: int
    most_shots: int | None
    published_draw: bool
    benchmarks: tuple[str, ...] | None
    who: str
    about: str
    skip_vanished: bool = False

    def check(self, benchmark: str, shots: int) -> None:
        """Raise FsbenchError where this protocol is not defined for the benchmark or the number of shots."""
        if self.benchmarks is not None and benchmark not in self.benchmarks:
            defined = ", ".join(self.benchmarks)
            raise FsbenchError(f"protocol {self.id} is defined for {defined}, not for {benchmark}: try fsbench-v1")
        if shots < self.least_shots:
            instead = " (its 0-shot form is lseg)" if self.draw == "cycled" else ""
            raise FsbenchError(
                f"protocol {self.id} is defined for {self.least_shots} shots or more, not {shots}{instead}: use -k"
            )
        if self.most_shots is not None and shots > self.most_shots:
            raise FsbenchError(
                f"protocol {self.id} is defined for at most {self.most_shots} shots on {benchmark}, not {shots}: "
                "use -k, or another protocol"
            )


def _hsnet(size: int, who: str) -> Protocol:
    return Protocol(
        id="hsnet" if size == 400 else f"hsnet@{size}",
        draw="cycled",
        size=size,
        names="names-v1",
        empty="zero",
        least_shots=1,
        most_shots=None,
        published_draw=True,
        benchmarks=("pascal-5i",),
        who=who,
        about=f"1000 episodes a fold, numpy's legacy generator, supports may repeat, compared at {size} x {size}",
    )


def _fusioner(size: int | None) -> Protocol:
    return Protocol(
        id="fusioner" if size is None else f"fusioner@{size}",
        draw="first-1000",
        size=size,
        names="names-raw",
        empty="drop",
        least_shots=0,
        most_shots=0,
        published_draw=True,
        benchmarks=("pascal-5i",),
        who="Fusioner",
        about="every pair once (at most 1000), by text, compared at "
        + ("the photograph's size" if size is None else f"{size} x {size}"),
        skip_vanished=size is not None,
    )


PROTOCOLS: dict[str, Protocol] = {
    protocol.id: protocol
    for protocol in (
        Protocol(
            id="fsbench-v1",
            draw="every-pair",
            size=None,
            names="names-v1",
            empty="drop",
            least_shots=0,
            most_shots=None,
            published_draw=False,
            benchmarks=None,
            who="fsbench",
            about="every pair of the fold's val list once, distinct supports by SHA-256, compared at original size",
        ),
        _hsnet(400, "HSNet, VAT, Matcher"),
        _hsnet(417, "descendants of HSNet at 417"),
        _hsnet(473, "descendants of HSNet at 473"),
        _hsnet(518, "descendants of HSNet at 518"),
        Protocol(
            id="lseg",
            draw="cycled",
            size=480,
            names="names-raw",
            empty="zero",
            least_shots=0,
            most_shots=0,
            published_draw=True,
            benchmarks=("pascal-5i",),
            who="LSeg",
            about="as hsnet with no support, compared at 480 x 480",
        ),
        _fusioner(None),
        _fusioner(224),
    )
}


def protocol_named(protocol_id: str) -> Protocol:
    """The protocol with this id; raises FsbenchError for an unknown one."""
    if protocol_id not in PROTOCOLS:
        raise FsbenchError(f"no protocol {protocol_id!r}: choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol_id]

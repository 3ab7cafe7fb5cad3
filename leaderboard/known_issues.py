"""What is known to be odd about a published protocol: a protocol never changes, so its records carry a note.

Each entry is one line, with its source. A record it concerns is shown with it; none of it is a fault of the record.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsbench.records.record import Record

_HSNET = ("hsnet", "hsnet@417", "hsnet@473", "hsnet@518")
_PFENET = ("pfenet", "pfenet@1000", "pfenet@10000")
_MOSAICS = ("mosaic4-v1", "mosaic9-v1", "mosaic16-v1")
_FSS = ("fss-1000", "fss-1000-classes")


@dataclass(frozen=True)
class KnownIssue:
    """``benchmarks`` and ``fsbench`` (versions): those affected, empty for all; ``least_shots``: fewest affected."""

    protocols: tuple[str, ...]
    text: str
    source: str = "docs/protocols.md"
    benchmarks: tuple[str, ...] = ()
    least_shots: int = 0
    fsbench: tuple[str, ...] = ()

    def concerns(self, record: Record) -> bool:
        """Whether a record is one that this must be said of."""
        return (
            record.protocol in self.protocols
            and (not self.benchmarks or record.benchmark.name in self.benchmarks)
            and record.shots >= self.least_shots
            and (not self.fsbench or record.environment.fsbench in self.fsbench)
        )


KNOWN_ISSUES = (
    KnownIssue(
        _HSNET,
        "supports of one episode are drawn one by one and may repeat, as in the released code",
        least_shots=2,
    ),
    KnownIssue(
        ("lseg",),
        "every class is supported by its image 1, which is never a query: 9 queries a class, 2160 on FSS-1000",
        benchmarks=_FSS,
        least_shots=1,
    ),
    KnownIssue(
        (*_PFENET, "panet"),
        "rule only: the published draws depended on the number of workers and cannot be replayed",
    ),
    KnownIssue(
        ("pfenet",),
        "5001 and 20001 episodes a fold, as the released code asks; the papers say 5000 and 20000",
    ),
    KnownIssue(
        (*_HSNET, "lseg", *_PFENET),
        "a class with no sample counts 0, so that the mean of a part of the benchmark is lower for it",
    ),
    KnownIssue(
        ("fusioner", "fusioner@224"),
        "only the first 1000 pairs of the sorted list are asked, so that classes weigh by where their images sort",
        benchmarks=("coco-20i",),
    ),
    KnownIssue(("fusioner@224",), "episodes whose mask has no pixel left at 224 x 224 are not counted"),
    KnownIssue(
        _MOSAICS,
        "the class that is asked and absent may be in a photograph's background, so that an alarm may be right",
        "docs/mosaic4-v1.md",
    ),
)


def issues_of(record: Record) -> list[str]:
    """The lines that must be said of a record, with their sources."""
    return [f"{issue.text} ({issue.source})" for issue in KNOWN_ISSUES if issue.concerns(record)]

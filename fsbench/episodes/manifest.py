"""The manifest: all episodes of a (benchmark, fold, protocol, shots, seed), as a list that can be hashed and shared.

Its text has one line per episode, ``query class-id support…`` with 0-based class ids, single spaces and a newline at
the end; several classes are joined by ``,``, and so are the supports of one class. Two runs with the same SHA-256 of
that text asked the same questions. An episode's number in the manifest, from 0, is its key everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from fsbench.io.files import sha256_text


@dataclass(frozen=True)
class Question:
    """One episode by ids: the query sample, the classes asked, and per class its support samples.

    Of a composed query, ``source`` is the sample that shows the class asked; ``absent``: none does.
    """

    query: str
    class_ids: tuple[int, ...]
    supports: tuple[tuple[str, ...], ...]
    source: str | None = None
    absent: bool = False

    @property
    def image(self) -> str:
        """The photograph that intervals resample: the source, or the query itself."""
        return self.source or self.query

    def line(self) -> str:
        """The manifest's line, without the newline."""
        if len(self.class_ids) == 1:
            return " ".join([self.query, str(self.class_ids[0]), *self.supports[0]])
        supports = [",".join(of_class) for of_class in self.supports if of_class]
        return " ".join([self.query, ",".join(map(str, self.class_ids)), *supports])

    def samples(self) -> list[str]:
        """Every sample the episode needs: the query, then the supports."""
        return [self.query, *(sample for of_class in self.supports for sample in of_class)]


@dataclass(frozen=True)
class Manifest:
    """All episodes of a fold, in order.

    ``drawn``: number of episodes before those with missing files were dropped. ``run``: 0 but in protocols of several
    runs.
    """

    benchmark: str
    fold: str
    protocol: str
    shots: int
    seed: int
    questions: tuple[Question, ...]
    drawn: int
    run: int = 0

    def text(self) -> str:
        """The plain text that is hashed."""
        return "".join(f"{question.line()}\n" for question in self.questions)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of ``text()``."""
        return sha256_text(self.text())

    def limited(self, limit: int | None) -> Manifest:
        """The first ``limit`` episodes (all of them for None)."""
        return self if limit is None else replace(self, questions=self.questions[:limit])

    def jsonl(self, class_keys: Sequence[str]) -> str:
        """One JSON object a line: episode, fold, run, query, class_ids, classes, supports (scenes: kind, source)."""
        rows = (
            {
                "episode": number,
                "fold": self.fold,
                "run": self.run,
                "query": question.query,
                "class_ids": question.class_ids,
                "classes": [class_keys[class_id] for class_id in question.class_ids],
                "supports": question.supports,
                **_scene(question),
            }
            for number, question in enumerate(self.questions)
        )
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _scene(question: Question) -> dict[str, str | None]:
    if question.source is None and not question.absent:
        return {}
    return {"kind": "absent" if question.absent else "present", "source": question.source}

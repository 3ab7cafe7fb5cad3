"""A results folder of made-up records: a few models on one benchmark, each field of which a test may change."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.fsbench.results.saved_records import Episode, write_stored

CLASSES = {"0": (0, 1), "1": (2, 3)}
IMAGES = 30

Change = Callable[[dict[str, Any]], object]


def asked(quality: float, seed: str, classes: Mapping[str, tuple[int, ...]] = CLASSES) -> dict[str, list[Episode]]:
    """Episodes whose IoU lies around ``quality``; the same questions whatever the model."""
    drawn = random.Random(seed)
    found = {}
    for fold, ids in classes.items():
        episodes: list[Episode] = []
        for number in range(IMAGES):
            truth = 50 + (37 * number) % 100
            hit = min(truth, max(0, round(truth * drawn.gauss(quality, 0.15))))
            episodes.append((f"image{number}", ids[number % len(ids)], hit, hit + drawn.randrange(20), truth, 400))
        found[fold] = episodes
    return found


def write(results: Path, model: str, quality: float, change: Change = lambda said: None, **given: Any) -> Path:
    """Write the record of ``model`` under ``results``, then ``change`` its JSON; returns its ``record.json``."""
    place = given.pop("place", model)
    classes = given.pop("classes", CLASSES)
    path = write_stored(
        results / place, asked(quality, given.pop("noise", model), classes), classes, model=model, **given
    )
    return altered(path, change)


def altered(path: Path, change: Change) -> Path:
    """``path`` with its JSON changed by ``change``, which gets the parsed record."""
    said = json.loads(path.read_text(encoding="utf-8"))
    change(said)
    path.write_text(json.dumps(said), encoding="utf-8")
    return path


def at(*keys: str | int, value: Any) -> Change:
    """A change of one value, by the keys that lead to it."""

    def change(said: Any) -> None:
        for key in keys[:-1]:
            said = said[key]
        said[keys[-1]] = value

    return change


def part(said: dict[str, Any]) -> None:
    """Only a part of the benchmark was present, and the record lies about it in name and flag."""
    said["benchmark"] |= {"present": 7, "total": 9, "partial": False, "title": "made-up"}

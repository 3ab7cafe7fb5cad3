"""Counting on composed queries (Mosaic-4): was the right thing segmented, and was it the thing that was named?

A scene has several objects, one a tile, and is asked for one of them, or for a class that is not there. mIoU measures
segmenting and naming together; the scores here take naming apart. All follow from whole numbers that stand in the
counts: predicted pixels per tile and per object, and each object's pixels.

Source: ``docs/mosaic4-v1.md``, section Scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from fsbench.records.counts import ABSENT, Row, SceneCounts
from fsbench.scoring.intervals import IOU_UNIT, REPLICATES, Design, FloatArray, draw_totals, sum_by_image
from fsbench.scoring.metrics import IntArray

NAMED, HIT, WRONG_OBJECT, MISS, LEAK = "named", "hit", "wrong_object", "miss", "leak"
FALSE_ALARMS: Mapping[str, int | None] = {
    "false_alarm_0": None,
    "false_alarm_0.1": 1000,
    "false_alarm_1": 100,
    "false_alarm_5": 20,
}
"""Score -> an absent query is a false alarm where more than one pixel in so many is predicted (None: any at all)."""

SCORES = (NAMED, HIT, WRONG_OBJECT, MISS, LEAK, *FALSE_ALARMS)


def count_scene(mask: npt.NDArray[np.bool_], objects: npt.NDArray[np.uint8], tiles: int, position: int) -> SceneCounts:
    """Count an answer: ``mask`` bool H x W; ``objects`` uint8 H x W, p + 1 where the object at position p is, else 0.

    ``tiles``: how many, a square number g * g of which g divides H and W; ``position``: of the class asked, -1 where it
    is absent.
    """
    grid = isqrt(tiles)
    height, width = mask.shape
    in_tiles = mask.reshape(grid, height // grid, grid, width // grid).sum(axis=(1, 3), dtype=np.int64)
    on_objects = np.bincount(objects[mask], minlength=tiles + 1)[1:]
    areas = np.bincount(objects.ravel(), minlength=tiles + 1)[1:]
    return SceneCounts(position, tuple(in_tiles.ravel().tolist()), tuple(on_objects.tolist()), tuple(areas.tolist()))


def fits(row: Row, tiles: int | None) -> bool:
    """Whether a row's scene is one that a mask can have and agrees with its other counts.

    ``tiles``: how many a query of the protocol has, None where queries are no scenes.
    """
    scene = row.scene
    if scene is None or tiles is None:
        return scene is None and tiles is None
    if not (
        len(scene.tiles) == len(scene.objects) == len(scene.areas) == tiles
        and ABSENT <= scene.position < tiles
        and all(0 <= on <= min(area, inside) for inside, on, area in zip(*scene[1:], strict=True))
        and sum(scene.tiles) == row.predicted
    ):
        return False
    asked = (0, 0) if row.absent else (scene.objects[scene.position], scene.areas[scene.position])
    return asked == (row.intersection, row.truth)


def is_named(row: Row) -> bool:
    """Whether the asked object has the largest covered fraction of all; a tie, or nothing predicted, is a miss."""
    assert row.scene is not None
    position, _, objects, areas = row.scene
    covered, area = objects[position], areas[position]
    others = [(on, of) for p, (on, of) in enumerate(zip(objects, areas, strict=True)) if p != position]
    return all(covered * of > on * area for on, of in others)


def scene_scores(rows: Sequence[Row]) -> dict[str, float | None]:
    """The scores of a fold's rows by name, as they are said in ``SCORES``; None where no row can say anything.

    ``named``, ``hit``, ``miss``: shares of the present queries. ``wrong_object``: mean over the non-empty ones, added
    up in units of 2^-30. ``leak``: pooled over their pixels. ``false_alarm_…``: shares of the absent queries.
    """
    present, absent = _split(rows)
    found = _present_scores(_present_sums(present).sum(axis=1)[:, None])
    found |= _absent_scores(_absent_sums(absent).sum(axis=1)[:, None])
    return {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}


def scene_replicates(design: Design, fold: str, rows: Sequence[Row], draws: int = REPLICATES) -> dict[str, FloatArray]:
    """The same scores under every draw: name -> float64 (R,), NaN where a replicate has nothing to score.

    Present queries follow the source samples that ``design`` draws. An absent query has no source: there mosaics are
    drawn, all in one stratum, by a generator whose seed text is that of ``design`` and a line ``absent``.
    """
    present, absent = _split(rows)
    found = _present_scores(_drawn(design, _present_sums(present), [row.image for row in present], draws))
    if not absent:
        return found | {name: np.full(draws, np.nan) for name in FALSE_ALARMS}
    mosaics = Design.from_manifests([(fold, row.query, 0) for row in absent], {fold: "0" * 64})
    mosaics = replace(mosaics, seed_text=f"{design.seed_text}\nabsent")
    return found | _absent_scores(_drawn(mosaics, _absent_sums(absent), [row.query for row in absent], draws))


def _split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    counted = [row for row in rows if row.valid > 0 and row.scene is not None]
    return [row for row in counted if not row.absent], [row for row in counted if row.absent]


def _present_sums(rows: Sequence[Row]) -> IntArray:
    """int64 (7, E): asked, named, hit, not empty, predicted on wrong objects (a share), outside the tile, predicted."""
    sums = np.zeros((7, len(rows)), np.int64)
    for e, row in enumerate(rows):
        assert row.scene is not None
        position, tiles, objects, _ = row.scene
        wrong = sum(objects) - objects[position]
        sums[:, e] = (
            1,
            is_named(row),
            2 * tiles[position] > row.predicted,
            row.predicted > 0,
            round(wrong / max(1, row.predicted) / IOU_UNIT),
            row.predicted - tiles[position],
            row.predicted,
        )
    return sums


def _present_scores(sums: npt.NDArray[Any]) -> dict[str, FloatArray]:
    asked, named, hit, answered, wrong, outside, predicted = sums
    return {
        NAMED: _ratio(named, asked),
        HIT: _ratio(hit, asked),
        WRONG_OBJECT: _ratio(wrong, answered) * IOU_UNIT,
        MISS: _ratio(asked - answered, asked),
        LEAK: _ratio(outside, predicted),
    }


def _absent_sums(rows: Sequence[Row]) -> IntArray:
    """int64 (5, E): asked, and whether each false alarm was raised."""
    sums = np.ones((1 + len(FALSE_ALARMS), len(rows)), np.int64)
    for e, row in enumerate(rows):
        sums[1:, e] = [
            row.predicted > 0 if one_in is None else row.predicted * one_in > row.valid
            for one_in in FALSE_ALARMS.values()
        ]
    return sums


def _absent_scores(sums: npt.NDArray[Any]) -> dict[str, FloatArray]:
    asked, *raised = sums
    return {name: _ratio(of, asked) for name, of in zip(FALSE_ALARMS, raised, strict=True)}


def _drawn(design: Design, sums: IntArray, units: Sequence[str], draws: int) -> FloatArray:
    """The sums (S, E) of episodes that move with their unit, one of the design's images: float64 (S, R)."""
    place = {image: i for i, image in enumerate(design.images)}
    where = np.array([place[unit] for unit in units], dtype=np.int64)
    rows = [np.full_like(where, row) for row in range(len(sums))]
    return draw_totals(design, [sum_by_image([*sums], rows, where, (len(sums), len(design.images)))], draws)[0]


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> FloatArray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)

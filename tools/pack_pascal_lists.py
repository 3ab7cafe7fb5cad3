"""Pack the published PASCAL-5i lists and the tie-breaks of their rule into the two files that fsbench ships.

    python tools/pack_pascal_lists.py --lists LISTS --grids GRIDS.json --out fsbench/data

LISTS holds ``pascal-5i/val-fold{f}.txt``, ``pascal-5i/train-fold{f}-{hsnet,fusioner}.txt`` and
``pascal-voc/{val,voc_original_train}.txt``. The table has one line per sample, sorted by name:

    NAME <tab> val | train | aug <tab> CC,CC,CC-

``train`` is one of VOC's own 1464 training images, ``aug`` one of those that SBD adds. CC (1..20) ascending are the
classes that the sample is listed under; ``-`` marks a pair of Fusioner's train list that HSNet's drops. That this
table says all there is, order included, is checked here before anything is written.
"""

from __future__ import annotations

import argparse
import json
import lzma
from pathlib import Path

FOLDS = range(4)
NOTE = (
    "Tie-breaks of the published PASCAL-5i lists; fsbench/benchmarks/pascal/list_rule.py says what they mean. "
    "Key: rows x columns of the 32-pixel grid. "
    "row, col: one character per cell, row-major; '1' adds a pixel to 32 i (or 32 j)."
)


def read_pairs(path: Path) -> list[tuple[str, int]]:
    """The lines ``NAME__CC`` of a published list as (name, CC)."""
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == "", f"{path}: the last line has no end"
    return [(line[:-4], int(line[-2:])) for line in lines]


def table(lists: Path) -> str:
    """The text table of all samples and pairs; fails where the published lists are not what it assumes."""
    val_samples = (lists / "pascal-voc/val.txt").read_text(encoding="utf-8").split()
    voc_train = set((lists / "pascal-voc/voc_original_train.txt").read_text(encoding="utf-8").split())
    classes: dict[str, list[str]] = {name: [] for name in val_samples}
    pairs = []
    for fold in FOLDS:
        val = read_pairs(lists / f"pascal-5i/val-fold{fold}.txt")
        assert val == sorted(set(val)), f"val-fold{fold}: not sorted by (name, class)"
        assert {name for name, _ in val} <= set(val_samples), f"val-fold{fold}: names that are not in val.txt"
        every = read_pairs(lists / f"pascal-5i/train-fold{fold}-fusioner.txt")
        kept = read_pairs(lists / f"pascal-5i/train-fold{fold}-hsnet.txt")
        assert every == sorted(set(every), key=lambda pair: (pair[1], pair[0])), f"train-fold{fold}: not sorted"
        in_hsnet = set(kept)
        assert kept == [pair for pair in every if pair in in_hsnet], f"train-fold{fold}-hsnet: no part of fusioner's"
        assert not {name for name, _ in every} & set(val_samples), f"train-fold{fold}: names of val.txt"
        assert {(c - 1) // 5 for _, c in val + every} == {fold}, f"fold {fold}: holds classes of another"
        pairs += [(name, c, "") for name, c in val]
        pairs += [(name, c, "" if (name, c) in in_hsnet else "-") for name, c in every]
    for name, class_id, mark in sorted(pairs):
        classes.setdefault(name, []).append(f"{class_id}{mark}")
    assert voc_train <= classes.keys() - set(val_samples), "voc_original_train: names without a train pair"
    split = dict.fromkeys(classes, "aug") | dict.fromkeys(voc_train, "train") | dict.fromkeys(val_samples, "val")
    return "".join(f"{name}\t{split[name]}\t{','.join(classes[name])}\n" for name in sorted(classes))


def grids(path: Path) -> str:
    """The tie-breaks as JSON with a grid per line."""
    known = json.loads(path.read_text(encoding="utf-8"))["grids"]
    lines = [f'{{\n"note": {json.dumps(NOTE)},\n"grids": {{']
    for split in ("val", "train"):
        entries = [f"{json.dumps(size)}: {json.dumps(grid)}" for size, grid in sorted(known[split].items())]
        lines.append(f'"{split}": {{\n' + ",\n".join(entries) + "\n}" + ("," if split == "val" else ""))
    return "\n".join(lines) + "\n}\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True, help="folder that holds pascal-5i/ and pascal-voc/")
    parser.add_argument("--grids", type=Path, required=True, help="the tie-breaks, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the two files to")
    arguments = parser.parse_args()
    packed = lzma.compress(table(arguments.lists).encode(), preset=9 | lzma.PRESET_EXTREME)
    (arguments.out / "pascal-5i-lists.tsv.xz").write_bytes(packed)
    (arguments.out / "pascal_list_grids.json").write_text(grids(arguments.grids), encoding="utf-8", newline="")
    print(f"{arguments.out / 'pascal-5i-lists.tsv.xz'}: {len(packed)} bytes")


if __name__ == "__main__":
    main()

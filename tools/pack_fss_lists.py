"""Pack the published FSS-1000 class lists into the file that fsbench ships.

    python tools/pack_fss_lists.py --lists LISTS --out fsbench/data

LISTS holds ``fss-1000/{train,val,test}.txt``, a class name a line in the published order. The packed text is the three
files in this order, each after a line ``# NAME``. That they hold 520, 240 and 240 different names is checked here.
"""

from __future__ import annotations

import argparse
import lzma
from pathlib import Path

SIZES = {"train": 520, "val": 240, "test": 240}


def packed_text(lists: Path) -> str:
    """The three lists as one text; fails where the published files are not what it assumes."""
    text = ""
    seen: set[str] = set()
    for name, size in SIZES.items():
        published = (lists / "fss-1000" / f"{name}.txt").read_bytes().decode("ascii")
        names = published.split("\n")
        assert names.pop() == "", f"{name}: the last line has no end"
        assert len(names) == len(set(names)) == size, f"{name}: not {size} different names"
        assert not seen & set(names), f"{name}: names of another list"
        assert not any(key.startswith("#") or key.split() != [key] for key in names), f"{name}: a name that is no word"
        seen |= set(names)
        text += f"# {name}\n{published}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True, help="folder that holds fss-1000/")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the file to")
    arguments = parser.parse_args()
    packed = lzma.compress(packed_text(arguments.lists).encode("ascii"), preset=9 | lzma.PRESET_EXTREME)
    target = arguments.out / "fss-1000-lists.txt.xz"
    target.write_bytes(packed)
    print(f"{target}: {len(packed)} bytes")


if __name__ == "__main__":
    main()

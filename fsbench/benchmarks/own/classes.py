"""The classes and folds of a user's own benchmark, as two small text files name them.

The class file has a class a line, in the order of the label values: the first is 1. Its text prompt is the line with
underscores as spaces, or the text after a tab. The fold file has a line ``class<TAB>fold`` for every class.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fsbench.benchmarks.fss.names import spaced
from fsbench.benchmarks.name_files import check_name, read_lines
from fsbench.errors import FsbenchError
from fsbench.index.fold_lists import ClassName
from fsbench.index.truths import MOST_PROMPTS

ONE_FOLD = "all"


def read_classes(path: Path) -> tuple[ClassName, ...]:
    """The classes of a class file; class id c has the label value c + 1.

    Raises FsbenchError as ``read_lines`` and ``check_name`` do, for a class named twice, and for more than 254.
    """
    found: dict[str, ClassName] = {}
    for place, line in read_lines(path, "class file"):
        key, *prompt = (part.strip() for part in line.split("\t", 1))
        check_name(place, key)
        name = check_name(place, prompt[0]) if prompt else spaced(key)
        if key in found:
            raise FsbenchError(f"{place}: class {key!r} is named twice: a class has one label value")
        found[key] = ClassName(len(found), key, name)
    if len(found) > MOST_PROMPTS:
        raise FsbenchError(f"{path}: names {len(found)} classes, expected at most {MOST_PROMPTS}: values are 1 to 254")
    return tuple(found.values())


def read_folds(path: Path | None, classes: Sequence[ClassName]) -> dict[str, tuple[int, ...]]:
    """Fold -> class ids, folds in the order in which the file first names them; one fold ``all`` without a file.

    Raises FsbenchError for a line that is no class with its fold, an unknown class, one named twice or not at all.
    """
    if path is None:
        return {ONE_FOLD: tuple(c.id for c in classes)}
    number = {c.key: c.id for c in classes}
    fold_of: dict[str, str] = {}
    for place, line in read_lines(path, "fold file"):
        key, _, fold = (part.strip() for part in line.partition("\t"))
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", fold) or fold == ONE_FOLD:
            raise FsbenchError(
                f"{place}: {line!r}: expected class, tab, fold, the fold of letters, digits, _ and -, and not 'all'"
            )
        if key not in number:
            raise FsbenchError(f"{place}: class {key!r} is not in the class file: name its classes alone")
        if key in fold_of:
            raise FsbenchError(f"{place}: class {key!r} has a fold already: name it once")
        fold_of[key] = fold
    without = [c.key for c in classes if c.key not in fold_of]
    if without:
        raise FsbenchError(f"{path}: {len(without)} classes have no fold, first {without[0]!r}: add a line for each")
    return {
        fold: tuple(sorted(number[key] for key, of_key in fold_of.items() if of_key == fold))
        for fold in dict.fromkeys(fold_of.values())
    }

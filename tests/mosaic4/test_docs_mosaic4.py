"""``docs/mosaic4-v1.md`` says what the code does: its table of near names, pinned digests, and worked examples."""

from __future__ import annotations

import re
from hashlib import sha256

from fsbench.scoring.scenes import SCORES
from mosaic4.build import recipe_of_classes
from mosaic4.recipe import class_of, make_recipe
from mosaic4.synonyms import GROUPS, near
from tests import ROOT
from tests.mosaic4.naive_recipe import naive_recipe
from tests.mosaic4.test_official_recipe import DIGESTS
from tests.mosaic4.test_protocol import OFFICIAL, official

PAGE = (ROOT / "docs" / "mosaic4-v1.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
SAMPLES = ["cat/1", "cow/1", "dog/1", "hen/1"]


def rows(columns: int) -> list[tuple[str, ...]]:
    """The rows of all tables with so many columns, without the marks of code."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines]
    return [row for row in cells if len(row) == columns]


def test_the_table_of_near_names() -> None:
    (block,) = [block for block in BLOCKS if "kunai" in block]
    assert tuple(tuple(line.split(", ")) for line in block.splitlines()) == GROUPS


def test_official_digests() -> None:
    digests = dict(rows(2))
    command = "fsbench build mosaic4 --recipe-only"
    assert {grid: digests[command + (f" --grid {grid}" if grid > 2 else "")] for grid in DIGESTS} == DIGESTS
    for shots in (0, 1):
        assert digests[f"fsbench episodes mosaic4 -k {shots} \\| sha256sum"] == OFFICIAL[shots]


def test_the_worked_example() -> None:
    orders, recipe = BLOCKS[:2]
    lines = [line.split(" ") for line in orders.splitlines()]
    for digest, text in lines:
        assert sha256(text.encode()).hexdigest() == digest
    texts = [text for _, text in lines]
    for p in range(4):
        own = lines[4 * p : 4 * p + 4]
        assert own == sorted(own)
        assert sorted(texts[4 * p : 4 * p + 4]) == [f"mosaic4-v1|0|{p}|{sample}" for sample in SAMPLES]
    assert recipe == make_recipe(SAMPLES).text()
    assert sha256(recipe.encode()).hexdigest() in PAGE


def test_the_other_examples() -> None:
    found = [row for row in rows(5) if "/1" in row[0]]
    assert len(found) == 5
    for names, seed, used, repairs, digest in found:
        recipe = make_recipe(names.split(", "), int(seed))
        naive = naive_recipe(names.split(", "), int(seed), 2)
        assert (used, digest) == (str(recipe.seed_used), recipe.digest)
        assert (used, int(repairs)) == (naive.seed_string, naive.repairs)


def test_the_example_of_the_official_dataset() -> None:
    recipe, manifest = recipe_of_classes(), official(1)
    (line,) = [block for block in BLOCKS if block == recipe.text().splitlines()[0] + "\n"]
    questions, strings = BLOCKS[BLOCKS.index(line) + 1 :][:2]
    assert questions.splitlines() == manifest.text().splitlines()[:5]
    (absent, text), (support, drawn) = (line.split(" ") for line in strings.splitlines())
    assert (sha256(text.encode()).hexdigest(), sha256(drawn.encode()).hexdigest()) == (absent, support)
    asked = int(questions.splitlines()[4].split(" ")[1])
    assert text == f"mosaic4-v1|0|absent|0|{recipe.classes[asked]}"
    taken = frozenset[str]().union(*(near(class_of(sample)) for sample in recipe.mosaics[0]))
    others = (sha256(f"mosaic4-v1|0|absent|0|{key}".encode()).hexdigest() for key in recipe.classes if key not in taken)
    assert absent == min(others)
    query, pizza, shown = questions.splitlines()[0].split(" ")
    assert drawn == f"mosaic4-v1|0|mosaic4|test|{pizza}|{query}|0"
    assert int(support, 16) % 10 == 7
    assert [sample for sample in recipe.samples if class_of(sample) == "pizza"][7] == shown == "pizza/8"
    assert "pizza/7" in recipe.mosaics[0]


def test_every_score_is_explained() -> None:
    assert set(SCORES) <= {name for row in rows(3) for name in row[0].split("`, `")}

"""A model's page shows everything in its records, and untrusted text does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest

from fsbench.models.contract import ModelCard, TrainingCard
from fsbench.records.record import read_record
from leaderboard.breakdowns import read_breakdowns
from leaderboard.site.card_view import FACTS
from leaderboard.site.model_on_board import largest_confusions
from leaderboard.site.model_page import OPEN_CLASSES
from leaderboard.text import visible, web_link
from tests.fsbench.results.saved_records import Episode, write_stored
from tests.leaderboard.built_site import BuiltSite
from tests.leaderboard.hostile import ASKED, CLASSES, made_up
from tests.leaderboard.pages_read import Element, everything, pages_of, read_page
from tests.leaderboard.sample_records import altered

OWN_LINKS = ("#", "../static/", "../benchmark/", "../model", "../index.html", "../compare.html")


def better(by: int) -> dict[str, list[Episode]]:
    """``ASKED`` with ``by`` more pixels right in each episode."""
    return {fold: [(i, c, n + by, p, t, v) for i, c, n, p, t, v in rows] for fold, rows in ASKED.items()}


def facts(page: Element) -> dict[str, str]:
    """The terms of all lists of a page and what is said of each."""
    names, values = page.find("dt"), page.find("dd")
    return {name.text: value.text for name, value in zip(names, values, strict=True)}


def test_every_field_of_the_card_is_shown(tmp_path: Path) -> None:
    answers = ("yes", "no", "unknown", "yes", "no", "unknown")
    training: dict[str, Any] = {name: f"said of {name}" for name in TrainingCard.model_fields}
    yes_or_no = [name for name, kind in TrainingCard.model_fields.items() if "Literal" in str(kind.annotation)]
    training |= dict(zip(yes_or_no, answers, strict=True)) | {"training_classes": ["first class", "second class"]}
    card: dict[str, Any] = {
        "description": "what it is",
        "trained_parameters": 1234567,
        "total_parameters": 7654321,
        "weights_sha256": "ab" * 32,
        "licence": "of its own",
        "url": "https://example.org/model",
        "revision": "7",
        "prompts": "text",
        "example": True,
    }
    assert card.keys() | {"name", "training"} == ModelCard.model_fields.keys()
    said = {**card, "training": {"0": training, "1": {}}, "spec": "package:factory", "options": {"k": "v"}}
    altered(made_up(tmp_path), lambda record: record["model"].update(said))
    (page,) = pages_of(tmp_path)
    text = page.words
    assert page.find("h1")[0].text == "made-up"
    shown = facts(page)
    assert shown["parameters"] == "1 234 567 trained, 7 654 321 in all"
    for name in ("description", "licence", "weights_sha256", "url", "revision"):
        assert card[name] in text
    assert (shown["options"], shown["called as"], shown["precision"]) == ("k=v", "package:factory", "float32")
    assert shown["prompts"] == "the class name"
    assert "yes: kept off every main ranking" in shown["offline example"]
    assert FACTS.keys() | {"training_classes"} == TrainingCard.model_fields.keys()
    folds = [details for details in page.find("details") if details.find("summary")[0].text.startswith("fold ")]
    summaries = [details.find("summary")[0].text for details in folds]
    assert summaries == ["fold 0: said of training_data", "fold 1: unknown"]
    assert facts(folds[0]) == {name: training[field] for field, name in FACTS.items()}
    assert set(facts(folds[1]).values()) == {"unknown"}
    assert "2 training classes: first class, second class" in folds[0].words


def test_nothing_said_is_unknown(tmp_path: Path) -> None:
    made_up(tmp_path)
    (page,) = pages_of(tmp_path)
    shown = facts(page)
    assert {shown[name] for name in FACTS.values()} == {"unknown"}
    assert shown["parameters"] == "unknown trained, unknown in all"
    assert (shown["licence"], shown["weights SHA-256"]) == ("unknown", "unknown")
    assert page.words.count("novel-class masks: unknown") == 1
    assert "unknown; whether clean is unknown" in shown["git commit"]


def bars_of(page: Element) -> list[tuple[str, str | None, str, str]]:
    """Key, width drawn, score and episodes of each class on a page."""
    found = []
    for line in (line for bars in page.find("ul", "bars") for line in bars.find("li")):
        key, score, episodes = (line.find("span", css)[0].text for css in ("class-name", "value", "episodes"))
        found.append((key, line.find("rect")[0].attributes["width"], score, episodes))
    return found


def test_bars_are_the_classes_in_the_folds_order(tmp_path: Path) -> None:
    path = made_up(tmp_path)
    (page,) = pages_of(tmp_path)
    record = read_record(path)
    classes = [(key, c) for fold in ("0", "1") for key, c in record.folds[fold].classes.items()]
    expected = [(key, 100 * c.intersection / c.union, str(c.episodes)) for key, c in classes]
    assert [(key, episodes) for key, _, _, episodes in bars_of(page)] == [(key, n) for key, _, n in expected]
    for (_, width, score, _), (_, iou, _) in zip(bars_of(page), expected, strict=True):
        assert width is not None
        assert abs(float(width) - iou) <= 0.005
        assert abs(float(score) - iou) <= 0.05


def test_many_classes_are_folded_away(tmp_path: Path) -> None:
    many = OPEN_CLASSES + 1
    episodes = [(f"image{n}", n, n % 9, 10, 12, 100) for n in range(many)]
    write_stored(tmp_path / "x", {"test": episodes}, {"test": range(many)})
    (page,) = pages_of(tmp_path)
    assert len(bars_of(page)) == many
    (details,) = page.find("details", "classes")
    assert "open" not in details.attributes
    assert f"IoU of {many} classes" in details.words


def test_scores_are_those_of_the_record_with_their_intervals(tmp_path: Path) -> None:
    record = read_record(made_up(tmp_path))
    (page,) = pages_of(tmp_path)
    (table,) = page.find("table", "scores")
    lines = {row.find("th")[0].text: row for row in table.find("tr")[1:]}
    assert list(lines) == ["mIoU, mean over folds", "FB-IoU", "mIoU, fold 0", "mIoU, fold 1"]
    for name, score, ci95 in [
        ("mIoU, mean over folds", record.miou, record.ci95),
        *((f"mIoU, fold {fold}", said.miou, said.ci95) for fold, said in record.folds.items()),
    ]:
        assert score is not None
        assert ci95 is not None
        cells = [cell.text for cell in lines[name].find("td")]
        assert cells[:2] == [f"{100 * score:.1f}", f"{100 * ci95[0]:.1f} to {100 * ci95[1]:.1f}"]
        span, point = (rect.attributes for rect in lines[name].find("rect"))
        left, width = (float(span[side] or "nan") for side in ("x", "width"))
        assert left == pytest.approx(100 * ci95[0], abs=0.006)
        assert left + width == pytest.approx(100 * ci95[1], abs=0.012)
        assert float(point["x"] or "nan") == pytest.approx(100 * score, abs=0.006)


def test_seeds_and_trainings_are_reported_apart(tmp_path: Path) -> None:
    scores = []
    for seed in range(3):
        path = write_stored(tmp_path / f"s{seed}", better(seed), CLASSES, seed=seed)
        scores.append(100 * (read_record(path).miou or 0))
    trained = []
    for number in range(2):
        path = write_stored(tmp_path / f"t{number}", better(number), CLASSES, model="trained")
        card = {"training_classes": ["dog"], "checkpoint_sha256": f"{number}" * 64}
        altered(path, lambda said, n=number, card=card: said["model"].update(config8=f"{n:08d}", training={"*": card}))  # type: ignore[misc]
        trained.append(100 * (read_record(path).miou or 0))
    first, *others = pages_of(tmp_path)
    (line,) = first.find("ul", "spread")[0].find("li")
    assert f"mIoU {fmean(scores):.1f} ± {stdev(scores):.1f} (mean and standard deviation over 3 seeds)" in line.words
    assert f"seed 2 {scores[2]:.1f}" in line.words
    assert len(others) == 2
    for page in others:
        (line,) = page.find("ul", "spread")[0].find("li")
        assert f"mIoU {fmean(trained):.1f} ± {stdev(trained):.1f}" in line.words
        assert {a.text for a in line.find("a")} == {"00000000", "00000001"}


def test_breakdowns_are_those_of_the_counts(tmp_path: Path) -> None:
    path = made_up(tmp_path)
    (page,) = pages_of(tmp_path)
    tables = page.find("table", "breakdown")
    expected = read_breakdowns(path.parent, read_record(path))
    assert len(tables) == len(expected) == 2
    for table, found in zip(tables, expected, strict=True):
        for row, of_bin in zip(table.find("tr")[1:], found.bins, strict=True):
            part = of_bin.total
            said = "–" if part.miou is None else f"{100 * part.miou:.1f}"
            cells = [cell.text for cell in row.find("td")]
            assert row.find("th")[0].text == of_bin.name
            assert [cells[0], *cells[2:4]] == [said, str(part.episodes), str(part.images)]


def test_a_model_twice_on_a_board_has_two_sections(tmp_path: Path) -> None:
    for number in range(2):
        write_stored(tmp_path / str(number), better(number), CLASSES)
    (page,) = pages_of(tmp_path)
    ids = [element.attributes["id"] for element in everything(page) if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [a.attributes["href"] or "" for a in page.find("table", "standings")[0].find("a")]
    assert len(set(links)) == 2
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_counts_that_are_gone_leave_a_remark(tmp_path: Path) -> None:
    (made_up(tmp_path).parent / "counts.parquet").unlink()
    (page,) = pages_of(tmp_path)
    assert "No breakdown: " in page.words
    assert str(tmp_path) not in page.text


def test_largest_confusions_are_the_largest(tmp_path: Path) -> None:
    pixels = np.random.RandomState(1).randint(0, 9, (5, 5)).tolist()

    def confuse(record: dict[str, Any]) -> None:
        fold = record["folds"]["0"]
        fold["confusion"] = {"class_ids": [-1, 0, 1, 2, 3], "pixels": pixels}
        fold["others"] = record["folds"]["1"]["classes"]

    record = read_record(altered(made_up(tmp_path), confuse))
    expected = naive_confusions(record.folds["0"].model_dump())
    assert [found[:3] for found in largest_confusions(record.folds["0"])] == expected
    (page,) = pages_of(tmp_path)
    rows = page.find("table", "confusions")[0].find("tr")[1:]
    assert [[cell.text for cell in row.find("td")][:3] for row in rows] == [[a, b, str(n)] for a, b, n in expected]


def naive_confusions(said: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    names = {c["class_id"]: key for key, c in [*said["classes"].items(), *said["others"].items()]} | {-1: "background"}
    ids, pixels = said["confusion"]["class_ids"], said["confusion"]["pixels"]
    cells = [(pixels[t][p], t, p) for t in range(len(ids)) for p in range(len(ids)) if t != p and pixels[t][p]]
    cells.sort(key=lambda cell: (-cell[0], cell[1], cell[2]))
    return [(names[ids[t]], names[ids[p]], n) for n, t, p in cells[:10]]


def test_untrusted_text_is_text_and_nothing_else(ugly_site: BuiltSite) -> None:
    pages = {path.name: read_page(path.read_text("utf-8")) for path in ugly_site.folder.glob("model/*.html")}
    entries = ugly_site.site.results.entries
    assert len(pages) == len(entries)
    allowed = {entry.record.model.url for entry in entries if web_link(entry.record.model.url)}
    for page in pages.values():
        assert visible(page.text.replace("\n", "")) == page.text.replace("\n", "")
        for element in everything(page):
            assert not any(name.startswith("on") or name == "style" for name in element.attributes), element
            if element.name == "script":
                assert element.text == ""
                assert (element.attributes["src"] or "").startswith("../static/")
            assert element.name not in {"iframe", "object", "embed", "base", "img", "style", "foreignobject"}
            href = element.attributes.get("href")
            assert href is None or href in allowed or href.startswith(OWN_LINKS)
    assert "<script>document.title='pwned'" in next(p for n, p in pages.items() if n.startswith("ugly-script")).text


def test_evidence_and_known_issues_are_shown(tmp_path: Path) -> None:
    path = write_stored(tmp_path / "x", ASKED, CLASSES, protocol="hsnet")
    altered(path, lambda said: said.update(evidence="rerun"))
    (page,) = pages_of(tmp_path)
    assert "evidence: rerun" in page.words
    assert "Known of this protocol: a class with no sample counts 0" in page.words


def test_contamination_and_contradicting_cards_are_named(tmp_path: Path) -> None:
    for seed in range(3):
        path = write_stored(tmp_path / str(seed), ASKED, CLASSES, seed=seed)
        change = {"contaminated": seed == 1, "licence": f"licence {seed // 2}"}
        altered(path, lambda record, change=change: record["model"].update(change))  # type: ignore[misc]
    (page,) = pages_of(tmp_path)
    assert "Contaminated on 1 of 3 boards" in page.words
    assert "No rank: contaminated." in page.words
    (remark,) = (text for text in (p.words for p in page.find("p", "warn")) if "licence" in text)
    assert remark.startswith("2 ")

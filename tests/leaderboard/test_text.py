"""Untrusted text is shown as what it is, and links lead to the web alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.text import MOST_MARKS, visible, web_link
from tests.leaderboard.hostile import LINKS


@given(st.text())
def test_nothing_hidden_remains(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in shown)
    assert visible(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a<U+202E>b"),
        ("a\u200bb\ufeff", "a<U+200B>b<U+FEFF>"),
        ("\x1b[31mred\x00", "<U+001B>[31mred<U+0000>"),
        ("two\nlines\r\t", "two<U+000A>lines<U+000D><U+0009>"),
        ("\u2028\u2029", "<U+2028><U+2029>"),
        ("\udcff", "<U+DCFF>"),
        ("modèle 模型 נסיון", "modèle 模型 נסיון"),
        (3, "3"),
    ],
)
def test_what_is_shown(text: object, shown: str) -> None:
    assert visible(text) == shown


def test_marks_do_not_pile_up() -> None:
    shown = visible("a" + "\u0301" * 50)
    assert shown.count("\u0301") == MOST_MARKS
    assert shown.count("<U+0301>") == 50 - MOST_MARKS


@pytest.mark.parametrize(
    "url",
    [
        "https://arxiv.org/abs/2210.15138",
        "http://localhost:8000/a?b=c&d=e#f",
        "https://example.org/a_(b)",
        "HTTPS://EXAMPLE.ORG",
    ],
)
def test_links_that_lead_to_the_web(url: str) -> None:
    assert web_link(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *LINKS,
        None,
        "",
        "/local",
        "https:///path",
        "https://user:word@example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org/\n",
        "https://example.org/ a",
        "https://example.org/'x",
        "https://example.org/<b>",
        "https://example.org/`x`",
        "https://example.org/a|b",
        "https://exаmple.org/",  # a Cyrillic a
        " https://example.org/",
        "ftp://example.org/",
    ],
)
def test_anything_else_is_no_link(url: str | None) -> None:
    assert web_link(url) is None

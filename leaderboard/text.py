"""Untrusted text made harmless to display: no invisible or bidirectional characters, no links but to the web.

Escaping for HTML, Markdown, LaTeX or YAML is up to the renderers and comes after this.
"""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories shown as their number: control, format (bidirectional overrides, zero width), surrogate, private,
unassigned, line and paragraph separators."""

MOST_MARKS = 2
"""Combining marks in a row that are shown; more would pile up over other lines."""


def visible(text: object) -> str:
    """``str(text)`` with every character that cannot be seen, or that moves others, as ``<U+202E>``.

    >>> visible("a\\u202eb"), visible("caf\\u00e9\\n")
    ('a<U+202E>b', 'café<U+000A>')
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    found = []
    marks = 0
    for character in plain:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category in _HIDDEN or marks > MOST_MARKS
        found.append(f"<U+{ord(character):04X}>" if hidden else character)
    return "".join(found)


def web_link(url: str | None) -> str | None:
    """``url`` where it is a plain http or https address with a host, else None.

    >>> web_link("https://arxiv.org/abs/2210.15138"), web_link("javascript:alert(1)"), web_link("https://user@host/")
    ('https://arxiv.org/abs/2210.15138', None, None)
    """
    if url is None or visible(url) != url or not url.isascii() or any(c in url for c in " \"'<>\\^`{|}"):
        return None
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return None
    named = parts.hostname is not None and parts.username is None and parts.password is None and port_is_one
    return url if parts.scheme in ("http", "https") and named else None

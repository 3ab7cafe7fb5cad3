"""Pages read back as a browser would read them: elements, their attributes, and the text in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from leaderboard.site import model_page
from leaderboard.site.build import shared
from leaderboard.site.galleries import Galleries
from leaderboard.site.pages import Page, Site, environment
from tests.leaderboard.built_site import site_of

VOID = {"meta", "link", "img", "input", "br", "hr"}


@dataclass
class Element:
    """``text``: of it and all in it, white space as in the page."""

    name: str
    attributes: dict[str, str | None]
    inside: list[Element] = field(default_factory=list)
    parts: list[str | Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())

    def find(self, name: str, css: str | None = None) -> list[Element]:
        """All elements in it of that name, and class if given, in the page's order."""
        found = []
        for element in self.inside:
            classes = (element.attributes.get("class") or "").split()
            if element.name == name and (css is None or css in classes):
                found.append(element)
            found += element.find(name, css)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.stack[-1].inside.append(element)
        self.stack[-1].parts.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.stack[-1].inside.append(element)
        self.stack[-1].parts.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack[-1].name == tag, f"</{tag}> closes <{self.stack[-1].name}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].parts.append(data)


def read_page(html: str) -> Element:
    """The page; fails where an element is closed that was not opened last, or is left open."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.stack) == 1, f"<{reader.stack[-1].name}> is left open"
    return reader.stack[0]


def everything(element: Element) -> list[Element]:
    """All elements in it."""
    return [e for inner in element.inside for e in (inner, *everything(inner))]


def rendered(site: Site, page: Page) -> Element:
    """A page of a site, read back."""
    made = environment()
    made.globals |= shared(site)
    return read_page(made.get_template(page.template).render(page.values))


def pages_of(folder: Path, galleries: Galleries | None = None) -> list[Element]:
    """All model pages of a folder of records, read back."""
    site = site_of(folder)
    return [rendered(site, page) for page in model_page.pages(site, galleries)]

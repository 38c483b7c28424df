"""A replication's page (Markdown) as sections of the report.

Its links to files of the repository become plain paths: the report is complete by itself and may
stand anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_DEVIATIONS = ("deviations",)
_FINDINGS = ("what is reproduced", "what has been seen")
_COST = ("cost", "speed")
_EXTERNAL = ("https://", "http://", "mailto:")


@dataclass(frozen=True)
class Section:
    """A section of the page: its heading, an anchor and its text as HTML."""

    title: str
    anchor: str
    html: str


@dataclass(frozen=True)
class Page:
    """A replication's page, sorted into what the report shows where.

    Attributes:
        start: what stands before the first section (HTML).
        methods: sections on methods, usage and everything else.
        deviations: sections on what differs from the paper.
        findings: sections that tell the results in words.
        cost: sections on cost.
    """

    start: str = ""
    methods: tuple[Section, ...] = ()
    deviations: tuple[Section, ...] = ()
    findings: tuple[Section, ...] = ()
    cost: tuple[Section, ...] = ()


def read_page(path: Path | None) -> Page:
    """Return a replication's page, an empty one where there is none."""
    if path is None or not path.is_file():
        return Page()
    start, *sections = _sections(path)
    chosen: dict[str, list[Section]] = {"deviations": [], "findings": [], "cost": [], "methods": []}
    kinds = (("deviations", _DEVIATIONS), ("findings", _FINDINGS), ("cost", _COST))
    for section in sections:
        title = section.title.lower()
        kind = next((name for name, words in kinds if title.startswith(words)), "methods")
        chosen[kind].append(section)
    return Page(start.html, **{name: tuple(found) for name, found in chosen.items()})


def _sections(path: Path) -> list[Section]:
    """Return what stands before the first heading of level 2, then every section."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(path.read_text(encoding="utf-8"))
    starts = [i for i, t in enumerate(tokens) if t.type == "heading_open" and t.tag == "h2"]
    titles = {_anchor(_title(tokens, i)) for i in starts}
    bounds = [*starts, len(tokens)]
    sections = []
    for number, (first, last) in enumerate(pairwise([0, *bounds])):
        part = tokens[first:last]
        title = _title(part, 0) if number else ""
        part = part[3:] if number else _without_title(part)
        _rewrite(part, path, titles)
        html = markdown.renderer.render(part, markdown.options, {})
        html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
        html = html.replace("</table>", "</table></div>")
        html = re.sub(r"<th(?=[ >])", '<th scope="col"', html)
        sections.append(Section(title, _anchor(title), html))
    return sections


def _title(tokens: Sequence[Token], at: int) -> str:
    """Return the words of the heading that begins there."""
    parts = tokens[at + 1].children or []
    return "".join(part.content for part in parts)


def _anchor(title: str) -> str:
    """Return a section's anchor."""
    return "page-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _without_title(tokens: list[Token]) -> list[Token]:
    """Return the tokens less the page's own title, which the report shows at its head."""
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return tokens[3:]
    return tokens


def _rewrite(tokens: Sequence[Token], page: Path, anchors: set[str]) -> None:
    """Put headings one level down and links to files into plain words, in place."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        if token.children:
            token.children = list(_linked(token.children, page, anchors))


def _linked(tokens: Sequence[Token], page: Path, anchors: set[str]) -> Iterator[Token]:
    """Yield the tokens of a line; a link that leads out of the report becomes text and path."""
    ends: list[Token | None] = []
    for token in tokens:
        if token.type == "image":
            yield _html(escape(token.content))
        elif token.type == "link_open":
            target = str(token.attrGet("href") or "")
            if target.startswith(_EXTERNAL):
                ends.append(token)
                yield token
            elif target.startswith("#") and _anchor(target[1:]) in anchors:
                token.attrSet("href", f"#{_anchor(target[1:])}")
                ends.append(token)
                yield token
            else:
                ends.append(None)
                place = _in_repository(page, target)
                yield _html(f'<span class="file" title="{escape(place)}">')
        elif token.type == "link_close":
            yield token if ends.pop() is not None else _html("</span>")
        else:
            yield token


def _in_repository(page: Path, target: str) -> str:
    """Return where a relative link leads, as seen from the top of the repository."""
    top = page.resolve().parents[2]
    place = os.path.relpath(page.resolve().parent / target.partition("#")[0], top)
    return f"in the repository: {Path(place).as_posix()}"


def _html(text: str) -> Token:
    """Return a token that renders as it stands."""
    return Token("html_inline", "", 0, content=text)

"""Writes the HTML page of a run: one file that shows itself anywhere and asks no server for anything."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from pathlib import Path

from audiossl.files import whole_file
from audiossl.report.content import Highlight, ReportContent, Section
from audiossl.report.parts import part_html

# The page proves that it is self-contained: a browser refuses anything that is not inside it.
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(content: ReportContent, path: Path) -> None:
    """Write `content` as one self-contained HTML file, by rename: `path` holds the old page or the whole new one.

    Raises:
        ConfigError: if `path` cannot be written.
        DataError: if a picture or a sound of the content cannot be shown.

    >>> from audiossl.report.content import Text
    >>> write_report(ReportContent("My run", "What it showed.", [Text("Notes", "None.")]), Path("report.html"))
    >>> Path("report.html").read_text().startswith("<!")
    True
    """
    page = render_page(content).encode("utf-8", "replace")
    with whole_file(path) as partial:
        partial.write_bytes(page)


def render_page(content: ReportContent) -> str:
    """The HTML of a report; equal contents give equal text."""
    sections = [section if isinstance(section, Section) else Section(section.title, [section]) for section in content.sections]
    names = anchor_names([section.title for section in sections])
    body = "\n".join(_section_html(section, name) for section, name in zip(sections, names, strict=True))
    return f"""<!DOCTYPE html>
<html lang="{escape(content.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(content.title)}</title>
<link rel="icon" href="data:,">
<style>
{_asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<div class="frame">
{_contents_html(sections, names)}
<div class="column">
{_header_html(content)}
<main id="content">
{body}
</main>
<footer>{escape(content.footer or "Made with audiossl.")}</footer>
</div>
</div>
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


def anchor_names(titles: list[str]) -> list[str]:
    """A short name for the address of each section, all different."""
    names: list[str] = []
    for title in titles:
        stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        stem = f"{stem}-section" if stem == "content" else stem
        name, repeat = stem, 2
        while name in names:
            name, repeat = f"{stem}-{repeat}", repeat + 1
        names.append(name)
    return names


def _header_html(content: ReportContent) -> str:
    tiles = "\n".join(_highlight_html(highlight) for highlight in content.highlights)
    highlights = f'\n<dl class="highlights">\n{tiles}\n</dl>' if tiles else ""
    return (
        f'<header>\n<p class="eyebrow">{escape(content.eyebrow)}</p>\n<h1>{escape(content.title)}</h1>\n'
        f'<p class="lead">{escape(content.lead)}</p>{highlights}\n</header>'
    )


def _highlight_html(highlight: Highlight) -> str:
    detail = f'<dd class="detail">{escape(highlight.detail)}</dd>' if highlight.detail else ""
    return f'<div class="card"><dt>{escape(highlight.label)}</dt><dd class="value">{escape(highlight.value)}</dd>{detail}</div>'


def _contents_html(sections: list[Section], names: list[str]) -> str:
    links = "\n".join(
        f'<li><a href="#{name}">{escape(section.title)}</a></li>' for section, name in zip(sections, names, strict=True)
    )
    return f'<nav aria-label="Contents">\n<p>Contents</p>\n<ol>\n{links}\n</ol>\n</nav>'


def _section_html(section: Section, name: str) -> str:
    lead = f'<p class="section-lead">{escape(section.lead)}</p>\n' if section.lead else ""
    parts = "\n".join(
        part_html(part, f"{name}--{position}", show_title=part.title != section.title)
        for position, part in enumerate(section.parts, 1)
    )
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(section.title)}</h2>\n{lead}{parts}\n</section>'


def _asset(name: str) -> str:
    return files("audiossl.report").joinpath(name).read_text(encoding="utf-8")

"""HTML of each kind of part; every text is escaped here and nowhere else."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from audiossl.errors import DataError
from audiossl.report.content import AudioClip, Cell, KeyValues, Part, Picture, Table, Text, TokenClip
from audiossl.report.media import EmbeddedImage, embed_image
from audiossl.report.sound import embed_sound
from audiossl.report.words import in_words

if TYPE_CHECKING:
    import matplotlib.figure

NUMBER = re.compile(r"^[-+−]?[\d.,\s]*\d[\d.,\s]*(e[-+]?\d+)?\s*%?$")
SMALLEST_SCALE = 0.66  # a picture scrolls sideways rather than shrink its letters below this share of their size


def part_html(part: Part, name: str, show_title: bool = True) -> str:
    """HTML of one part; `name` is the id of its title, unique on the page.

    Raises:
        DataError: if the part's data cannot be shown; the message names the part.
    """
    title = f'<h3 id="{name}">{escape(part.title)}</h3>\n' if show_title and part.title else ""
    try:
        match part:
            case Table():
                body = _table(part)
            case Picture():
                body = _picture(part)
            case AudioClip():
                body = f'<figure class="card">\n{_player(part)}{_caption(part.caption)}</figure>'
            case TokenClip():
                body = _token_clip(part)
            case KeyValues():
                body = _key_values(part)
            case Text():
                body = _text(part)
    except DataError as error:
        raise DataError(f"report part {part.title!r}: {error}") from error
    return f'<div class="part">\n{title}{body}\n</div>'


def _table(table: Table) -> str:
    for row in table.rows:
        if len(row) != len(table.columns):
            raise DataError(f"expected {len(table.columns)} cells in every row, one for each column, got {len(row)}: {list(row)}")
    rows = [[cell if isinstance(cell, Cell) else Cell(in_words(cell)) for cell in row] for row in table.rows]
    numeric = [
        position > 0 and bool(rows) and all(NUMBER.match(row[position].text) or row[position].text in ("", "–") for row in rows)
        for position in range(len(table.columns))
    ]
    kinds = [' class="number"' if is_number else "" for is_number in numeric]
    head = "".join(f'<th scope="col"{kind}>{escape(column)}</th>' for column, kind in zip(table.columns, kinds, strict=True))
    body = "\n".join(_row(row, kinds) for row in rows)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="card scroll" role="region" tabindex="0" aria-label="{escape(table.title)}">\n'
        f'<table>\n<caption class="unseen">{escape(table.title)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>{note}"
    )


def _row(row: list[Cell], kinds: list[str]) -> str:
    cells = []
    for position, (cell, kind) in enumerate(zip(row, kinds, strict=True)):
        text = f"<strong>{escape(cell.text)}</strong>" if cell.best else escape(cell.text)
        detail = f' <span class="detail">{escape(cell.detail)}</span>' if cell.detail else ""
        cells.append(f'<th scope="row">{text}{detail}</th>' if position == 0 else f"<td{kind}>{text}{detail}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _picture(picture: Picture) -> str:
    image = embed_image(picture.image)
    alt = picture.alt or picture.caption or picture.title
    return (
        f'<figure class="card">\n<div class="scroll" role="region" tabindex="0" aria-label="{escape(picture.title)}">'
        f"{_image(image, alt)}</div>{_caption(picture.caption)}</figure>"
    )


def _token_clip(clip: TokenClip) -> str:
    image = embed_image(clip.figure)
    alt = clip.alt or clip.caption or clip.title
    places = {name: f"{value:.5f}" for name, value in _timeline(clip.figure).items()}
    data = " ".join(f'data-{name}="{places[name]}"' for name in ("left", "right", "start", "end"))
    natural = f"min-width:max(100%,{image.size[0]}px)" if image.size[0] > 1000 else f"min-width:{_least_width(image)}px"
    return (
        f'<figure class="card clip">\n<div class="scroll" role="region" tabindex="0" aria-label="{escape(clip.title)}">'
        f'<div class="timeline" style="{natural}" {data}>{_image(image, alt)}'
        f'<div class="playhead" style="top:{places["top"]}%;bottom:{places["bottom"]}%" hidden></div></div></div>\n'
        f"{_player(clip)}{_caption(clip.caption)}</figure>"
    )


def _timeline(figure: matplotlib.figure.Figure) -> dict[str, float]:
    """Where time runs in the picture: shares of the width at its start and end, per cent of the height above and below."""
    if not figure.axes:
        raise DataError("the figure of a token clip needs at least one axes whose x axis is time in seconds; this one has none")
    boxes = [axes.get_position() for axes in figure.axes]
    start, end = figure.axes[0].get_xlim()
    return {
        "left": boxes[0].x0,
        "right": boxes[0].x1,
        "start": start,
        "end": end,
        "top": 100 * (1 - max(box.y1 for box in boxes)),
        "bottom": 100 * min(box.y0 for box in boxes),
    }


def _image(image: EmbeddedImage, alt: str) -> str:
    width, height = image.size
    size = f' width="{width}" height="{height}" style="min-width:{_least_width(image)}px"' if width else ""
    return f'<img src="{image.uri}" alt="{escape(alt)}"{size}>'


def _least_width(image: EmbeddedImage) -> int:
    return round(SMALLEST_SCALE * image.size[0])


def _player(clip: AudioClip | TokenClip) -> str:
    uri = embed_sound(clip.samples, clip.sample_rate)
    return f'<audio controls preload="metadata" src="{uri}" aria-label="Sound of {escape(clip.title)}"></audio>\n'


def _caption(caption: str) -> str:
    return f"<figcaption>{escape(caption)}</figcaption>\n" if caption else ""


def _key_values(facts: KeyValues) -> str:
    items = "\n".join(f"<div><dt>{escape(name)}</dt><dd>{escape(in_words(value))}</dd></div>" for name, value in facts.items)
    note = f'<p class="note">{escape(facts.note)}</p>' if facts.note else ""
    return f'<dl class="card facts">\n{items}\n</dl>{note}'


def _text(text: Text) -> str:
    if text.preformatted:
        return (
            f'<details class="card"><summary>Show {escape(text.title)}</summary>\n'
            f'<pre tabindex="0">{escape(text.body)}</pre></details>'
        )
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n\s*\n", text.body)]
    return "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)

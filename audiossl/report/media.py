"""Pictures and sound as data URIs, so that the page is one file."""

from __future__ import annotations

import base64
import io
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiossl.errors import DataError
from audiossl.report.palette import DARK

if TYPE_CHECKING:
    import matplotlib.figure

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
POINTS_TO_PIXELS = 96 / 72  # SVG of matplotlib is in points, a page in CSS pixels
SVG_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture as a data URI with its natural width and height in CSS pixels, (0, 0) where the file does not say."""

    uri: str
    size: tuple[int, int]


def embed_image(image: matplotlib.figure.Figure | str | bytes) -> EmbeddedImage:
    """Turn a matplotlib figure, SVG text, or the bytes of a PNG or SVG into a data URI.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(image, bytes) and image.startswith(PNG_SIGNATURE):
        width, height = struct.unpack(">II", image[16:24])
        return EmbeddedImage(data_uri("image/png", image), (width, height))
    if isinstance(image, bytes):
        svg = image.decode("utf-8", "replace")
    elif isinstance(image, str):
        svg = image
    elif hasattr(image, "savefig"):
        svg = themed_svg(figure_svg(image))
    else:
        raise DataError(f"a picture must be a matplotlib figure, SVG text or PNG bytes, not {type(image).__name__}")
    if not re.match(r"(\ufeff)?\s*(<\?xml|<!--|<!DOCTYPE|<svg)", svg) or "<svg" not in svg:
        raise DataError(f"a picture must be a matplotlib figure, SVG text or PNG bytes; these data begin with {svg[:20]!r}")
    return EmbeddedImage(data_uri("image/svg+xml", svg.encode("utf-8", "replace")), _svg_size(svg))


def data_uri(media_type: str, content: bytes) -> str:
    """`content` as a base64 data URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def figure_svg(figure: matplotlib.figure.Figure) -> str:
    """Draw a figure as SVG with real text; figures made alike give the same bytes."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "audiossl", "svg.image_inline": True}):
        svg = io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return svg.getvalue().decode("utf-8")


def themed_svg(svg: str) -> str:
    """Let a matplotlib SVG follow the page: its system font, and the colours of `palette.DARK` where the page is dark."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {SVG_FONTS}", svg)
    light, dark = [], []
    for position, (colour, dark_colour) in enumerate(DARK.items()):
        svg = svg.replace(colour, f"var(--c{position})")
        light.append(f"--c{position}:{colour}")
        dark.append(f"--c{position}:{dark_colour}")
    style = f"<style>:root{{{';'.join(light)}}}@media (prefers-color-scheme: dark){{:root{{{';'.join(dark)}}}}}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda match: match.group(1) + style, svg, count=1)


def _svg_size(svg: str) -> tuple[int, int]:
    """Width and height in CSS pixels that the root element names."""
    root = svg[svg.index("<svg") : svg.index(">", svg.index("<svg"))]
    sides = []
    for name in ("width", "height"):
        match = re.search(rf'\b{name}="([\d.]+)(pt|px)?"', root)
        if match is None:
            return 0, 0
        sides.append(round(float(match.group(1)) * (POINTS_TO_PIXELS if match.group(2) == "pt" else 1.0)))
    return sides[0], sides[1]

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from audiossl.errors import DataError
from audiossl.report.media import embed_image, figure_svg, themed_svg
from audiossl.report.palette import INK, SERIES, house_style
from audiossl.report.sound import embed_sound


def _content(uri: str) -> bytes:
    return base64.b64decode(uri.partition("base64,")[2])


@pytest.mark.parametrize("shape", [(800,), (1, 800), (2, 800)])
def test_sound_survives_to_16_bits(shape):
    samples = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    uri = embed_sound(samples, 8000)
    assert uri.startswith("data:audio/flac;base64,")
    heard, rate = soundfile.read(io.BytesIO(_content(uri)), always_2d=True)
    assert rate == 8000
    np.testing.assert_allclose(heard.T, np.atleast_2d(samples), atol=1.01 / 2**15)


def test_loud_sound_is_clipped_not_wrapped():
    heard, _ = soundfile.read(io.BytesIO(_content(embed_sound(np.array([3.0, -3.0, 0.5]), 8000))))
    np.testing.assert_allclose(heard, [1.0, -1.0, 0.5], atol=1e-4)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((9, 10)), np.array([np.inf]), np.zeros((2, 2, 2))])
def test_sound_that_cannot_be_played_is_refused(samples):
    with pytest.raises(DataError, match="a player takes"):
        embed_sound(samples, 8000)


def test_a_figure_becomes_an_svg_of_its_size_that_follows_the_page():
    with house_style():
        figure = Figure((3, 2))
        axes = figure.add_subplot()
        axes.plot([0, 1], color=SERIES[0])
        axes.set_title("a <title> & more")
    image = embed_image(figure)
    svg = _content(image.uri).decode()
    ElementTree.fromstring(svg)
    assert image.size == (288, 192)
    assert "system-ui" in svg
    assert "DejaVu" not in svg
    colours = set(re.findall(r"(?:fill|stroke): (#\w+)", svg))
    assert not colours & {INK, *SERIES}  # all drawn through variables
    assert "prefers-color-scheme: dark" in svg


def test_the_same_figure_gives_the_same_svg():
    svgs = []
    for _ in range(2):
        figure = Figure((2, 2))
        figure.add_subplot().scatter([0, 1], [1, 0])
        svgs.append(themed_svg(figure_svg(figure)))
    assert svgs[0] == svgs[1]


def test_png_and_svg_files_are_taken_as_they_are():
    figure, png = Figure((2, 1), dpi=50), io.BytesIO()
    figure.savefig(png, format="png")
    image = embed_image(png.getvalue())
    assert image.size == (100, 50)
    assert _content(image.uri) == png.getvalue()
    svg = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="30"></svg>'
    for form in (svg, svg.encode()):
        assert embed_image(form).size == (96, 30)
        assert _content(embed_image(form).uri).decode() == svg


@pytest.mark.parametrize("image", ["hello", b"GIF89a", b"", "<p>not <svg></p>"])
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(DataError, match="a picture must be"):
        embed_image(image)

"""Pictures and page of token quality: what is drawn is what was measured, and odd quantisers are shown too."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from audiossl.errors import DataError
from audiossl.report.content import KeyValues, Picture, Table, Text
from audiossl.report.label_pictures import plot_codebook_correlation, plot_label_agreement
from audiossl.report.quality_pictures import plot_search_errors, plot_spectrum
from audiossl.report.token_quality import quality_section, write_quality_page
from audiossl.tokens import KMeansQuantizer, MultiCodebookQuantizer
from audiossl.tokens.quality import measure_quality


@pytest.fixture(scope="module")
def quality() -> dict:
    frames = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0))
    quantiser = MultiCodebookQuantizer.fit(frames, 3, 8, progress=False, steps=3)
    labels = ["up" if frame[0] > 0 else "down" for frame in frames]
    measured = measure_quality(quantiser, frames, 50.0, "<b>noise</b>:1", labels=("sign", labels))
    return json.loads(json.dumps(measured.to_json()))


def test_the_page_says_what_was_measured(quality, tmp_path):
    write_quality_page(quality, tmp_path / "tokens.html")
    page = (tmp_path / "tokens.html").read_text()
    assert f"{quality['relative_error']:.1%}" in page and quality["quantiser"]["id"] in page
    assert "&lt;b&gt;noise" in page and "<b>noise" not in page
    assert "No codebook is dead" in page and "was not fitted to" in page
    assert page.count("<svg") + page.count("<img") >= 5
    seen = {**quality, "held_out": False, "problems": ["codebook 1 is dead", "codebook 2 is dead"], "quality": "exact"}
    write_quality_page(seen, tmp_path / "tokens.html")
    page = (tmp_path / "tokens.html").read_text()
    assert "may have been fitted to" in page and "not timed" in page
    assert "<p>codebook 1 is dead</p>" in page and "<p>codebook 2 is dead</p>" in page


def test_the_section_holds_a_part_for_each_measurement(quality):
    parts = quality_section(quality).parts
    assert [type(part) for part in parts] == [KeyValues, Text, Table] + [Picture] * 5
    table = parts[2]
    assert [row[0] for row in table.rows] == ["fast", "default", "best"]
    times = float(str(table.rows[0][3]).replace(",", ""))
    assert times == pytest.approx(quality["qualities"][0]["frames_per_second"] / 50, abs=0.5)


def test_one_codebook_without_labels():
    frames = torch.randn(400, 3)
    measured = measure_quality(KMeansQuantizer.fit(frames, 1, 8), frames, 25.0, "noise").to_json()
    titles = [part.title for part in quality_section(measured).parts]
    assert "Overlap of codebooks, %" not in titles and "Agreement with labels" not in titles


def test_pictures_draw_their_numbers():
    axes = plot_search_errors({"fast": 0.2, "best": 0.1}, 0.05).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([20, 10])
    assert axes.lines[0].get_xdata()[0] == pytest.approx(5)
    axes = plot_spectrum(np.array([0.9, 0.1, 0.0]), 0.02).axes[0]
    assert axes.lines[0].get_ydata()[:2] == pytest.approx([90, 10]) and axes.lines[0].get_ydata()[2] > 0
    assert axes.lines[1].get_ydata()[0] == pytest.approx(2)
    matrix = np.array([[1.0, 0.25], [0.25, 1.0]])
    axes = plot_codebook_correlation(matrix).axes[0]
    assert np.array_equal(axes.images[0].get_array(), matrix) and [text.get_text() for text in axes.texts][1] == "25"
    assert not plot_codebook_correlation(np.eye(17)).axes[0].texts
    left, right = plot_label_agreement(np.array([0.5, 0.75]), np.array([0.1, 0.2]), 0.4).axes
    assert [bar.get_height() for bar in left.patches] == pytest.approx([50, 75])
    assert [bar.get_height() for bar in right.patches] == pytest.approx([10, 20])


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_search_errors({}, 0.1),
        lambda: plot_search_errors({"fast": np.nan}, 0.1),
        lambda: plot_spectrum(np.array([0.5, -0.1]), 0.1),
        lambda: plot_codebook_correlation(np.zeros((0, 0))),
        lambda: plot_label_agreement(np.ones(0), np.ones(0), 0.1),
    ],
)
def test_impossible_numbers_are_refused(draw):
    with pytest.raises(DataError, match="expected"):
        draw()

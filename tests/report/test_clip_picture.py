from __future__ import annotations

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.report.clip_picture import plot_spectrogram_tokens
from audiossl.report.media import figure_svg
from audiossl.report.palette import PAGE_WIDTH


def test_sound_and_tokens_share_one_time_axis():
    codes = np.arange(24, dtype=np.uint8).reshape(12, 2)
    figure = plot_spectrogram_tokens(np.random.default_rng(0).normal(size=(25, 8)), 100.0, codes, 50.0)
    spectrogram, tokens = figure.axes
    assert spectrogram.get_xlim() == tokens.get_xlim() == (0.0, 0.25)
    assert spectrogram.images[0].get_extent() == [0.0, 0.25, 0.0, 8.0]
    assert tokens.images[0].get_extent() == [0.0, 0.24, 2.5, 0.5]  # codebook 1 on top
    assert spectrogram.get_position().x0 == tokens.get_position().x0
    assert figure.get_figwidth() == PAGE_WIDTH


def test_equal_codes_have_equal_colours_and_all_256_differ():
    codes = np.stack([np.arange(256), np.full(256, 7)], axis=1).astype(np.uint8)
    figure = plot_spectrogram_tokens(np.zeros((512, 4)), 100.0, codes, 50.0)
    colours = np.asarray(figure.axes[1].images[0].get_array())
    assert len(np.unique(colours[0].round(6))) == 256
    assert len(np.unique(colours[1])) == 1


def test_long_clips_make_wide_pictures_up_to_a_limit():
    widths = [
        plot_spectrogram_tokens(np.zeros((100 * seconds, 4)), 100.0, np.zeros((seconds, 1), np.uint8), 1.0).get_figwidth()
        for seconds in (2, 10, 60)
    ]
    assert widths == [PAGE_WIDTH, 21.0, 40.0]


def test_phones_are_named_and_odd_ones_do_no_harm():
    phones = [("SIL", -0.1, 0.1), ("AH", 0.1, 0.12), ("<x>", 0.2, 0.9), ("none", 0.3, 0.3)]
    logmel = np.full((30, 4), -np.inf)
    logmel[3] = np.nan
    svg = figure_svg(plot_spectrogram_tokens(logmel, 100.0, np.zeros((15, 16), np.int64), 50.0, phones))
    assert "SIL" in svg
    assert "&lt;x&gt;" in svg
    assert ">none<" not in svg


@pytest.mark.parametrize(("frames", "codes", "rate"), [(0, 3, 50.0), (3, 0, 50.0), (3, 3, 0.0)])
def test_empty_input_is_refused(frames, codes, rate):
    with pytest.raises(DataError, match="log-mel"):
        plot_spectrogram_tokens(np.zeros((frames, 4)), 100.0, np.zeros((codes, 2), np.uint8), rate)

from __future__ import annotations

import math
import re

import matplotlib
import numpy as np
import pytest
from example_page import example_counts, example_metrics
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.report.media import figure_svg
from audiossl.report.pictures import (
    entropy_bits,
    moving_average,
    plot_codebook_usage,
    plot_curves,
    plot_entropy,
    plot_layer_weights,
    plot_training,
)


def words(figure) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", figure_svg(figure))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.integers(0, 50))
def test_moving_average_is_the_mean_of_the_window(values, reach):
    slow = [np.mean(values[max(0, place - reach) : place + reach + 1]) for place in range(len(values))]
    np.testing.assert_allclose(moving_average(np.array(values), reach), slow, atol=1e-8)


def test_entropy_closed_forms():
    counts = np.array([[5, 5, 5, 5], [7, 0, 0, 0], [3, 3, 0, 0]])
    np.testing.assert_allclose(entropy_bits(counts), [2.0, 0.0, 1.0], atol=1e-12)


def test_training_draws_loss_and_accuracy_by_split():
    figure = plot_training(example_metrics())
    loss, accuracy = figure.axes
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["train", "valid"]
    steps, values = loss.lines[-1].get_data()
    assert list(steps) == list(range(50, 401, 50))
    valid = [row for row in example_metrics() if row["split"] == "valid"]
    np.testing.assert_allclose(values, [row["loss"] for row in valid])
    np.testing.assert_allclose(accuracy.lines[-1].get_ydata(), [100 * row["accuracy"] for row in valid])


def test_rows_with_gaps_are_drawn_and_a_key_nobody_has_is_left_out():
    rows = [{"step": 2, "loss": 1.0}, {"step": 1, "loss": 3.0, "accuracy": None}, {"step": 3, "loss": math.nan}, {"step": 4}]
    figure = plot_training(rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_data(), [[1, 2], [3.0, 1.0]])
    with pytest.raises(DataError, match="loss, accuracy"):
        plot_training([{"step": 1}])


def test_each_head_of_masked_prediction_has_a_panel():
    rows = [
        {"step": step, "split": "train", "loss": 1.0, "tokens_accuracy_masked": 0.5, "tokens_accuracy_all": 0.6}
        for step in (1, 2)
    ]
    figure = plot_training(rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Accuracy on masked frames, %: tokens"]
    assert list(figure.axes[1].lines[0].get_ydata()) == [50.0, 50.0]


def test_three_panels_leave_the_fourth_place_empty():
    figure = plot_curves([{"step": 1, "a": 1.0, "b": 2.0, "c": 3.0}], {"a": "A", "b": "B", "c": "C"})
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]


def test_codebook_usage_tells_perplexity_and_unused_codes():
    counts = np.array([[4, 4, 4, 4], [8, 8, 0, 0], [9, 0, 0, 0]])
    said = words(plot_codebook_usage(counts))
    assert "100 %" in said
    assert "50 %, 2 unused" in said
    assert "25 %, 3 unused" in said


@pytest.mark.parametrize("counts", [np.zeros((2, 4)), np.array([[1, -1]]), np.array([[1.0, np.nan]]), np.zeros((0, 4))])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(DataError, match="expected counts"):
        plot_codebook_usage(counts)


def test_layer_weights_are_drawn_in_per_cent():
    figure = plot_layer_weights({"phones": np.array([0.25, 0.75]), "language": np.array([0.1, 0.2, 0.7])})
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [25.0, 75.0] in drawn
    assert "language" in words(figure)
    with pytest.raises(DataError):
        plot_layer_weights({})


def test_entropy_is_drawn_for_each_name():
    figure = plot_entropy({"train": entropy_bits(example_counts()), "valid": entropy_bits(example_counts()) - 0.2}, 256)
    assert len(figure.axes[0].patches) == 16
    assert "8 bits: all codes equally frequent" in words(figure)
    with pytest.raises(DataError):
        plot_entropy({"train": np.zeros(0)}, 256)


def test_pictures_leave_the_settings_of_matplotlib_alone():
    before = dict(matplotlib.rcParams)
    figure_svg(plot_codebook_usage(example_counts()))
    assert dict(matplotlib.rcParams) == before

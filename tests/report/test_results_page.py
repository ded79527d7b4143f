from __future__ import annotations

import numpy as np
from example_page import example_results

from audiossl.evaluation.results import ResultRow
from audiossl.report.content import Cell
from audiossl.report.results import gap_cells, interval_in_words, plot_results, results_tables, shown


def Row(dataset, task, model, metric, value, low=None, high=None, n=1, groups=None):
    return ResultRow(dataset, task, model, metric, value, low, high, n, groups)


def test_rates_are_per_cent_with_their_interval_and_the_best_is_marked():
    [table] = results_tables(example_results(), {"logmel": "log-mel, 5 frames of context"})
    assert table.title == "asterisk"
    assert table.columns == ["Model", "frame phones, accuracy %", "language, accuracy %"]
    assert [row[0] for row in table.rows] == ["student", "teacher", "log-mel, 5 frames of context", "random"]
    assert table.rows[0][1] == Cell("69.3", "[67.8, 70.7]")
    assert table.rows[1][1:] == [Cell("74.1", "[72.6, 75.5]", best=True), Cell("98.2", "[96.7, 99.6]", best=True)]
    assert "frame phones: n\u00a0=\u00a018,234." in table.note


def test_lower_is_better_where_it_is_and_gaps_stay_gaps():
    rows = [Row("d", "asr", "a", "wer", 0.2), Row("d", "asr", "b", "wer", 0.1)]
    rows += [Row("e", "fit", "a", "mse", 12.3456), Row("e", "fit", "b", "r", 0.12345), Row("d", "sid", "a", "accuracy", 1.0)]
    first, second = results_tables(rows)
    assert [row[1] for row in first.rows] == [Cell("20.0"), Cell("10.0", best=True)]
    assert [row[2] for row in first.rows] == [Cell("100.0"), Cell("–")]  # alone, so not the best of anything
    assert "Lower is better for wer." in first.note
    assert [row[1:] for row in second.rows] == [[Cell("12.3"), Cell("–")], [Cell("–"), Cell("0.123")]]


def test_ties_are_all_best():
    [table] = results_tables([Row("d", "t", model, "accuracy", 0.5) for model in "ab"])
    assert all(row[1].best for row in table.rows)


def test_shown_keeps_one_decimal_of_a_per_cent():
    assert shown("accuracy", 0.69349) == "69.3"
    assert shown("WER", 0.05) == "5.0"
    assert shown("rankme", 123.456) == "123"


def test_the_picture_has_a_panel_a_task_and_a_dot_a_model():
    figure = plot_results(example_results())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["frame phones, accuracy %", "language, accuracy %"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], [69.3, 74.1, 61.2, 57.4])
    assert plot_results([]).axes == []


def test_the_number_of_groups_stands_next_to_the_interval_and_no_interval_is_said():
    rows = [Row("d", "t", "a", "accuracy", 0.7, 0.6, 0.8, 9, 9), Row("d", "t", "b", "accuracy", 0.6, n=9, groups=1)]
    [table] = results_tables(rows)
    assert [row[1] for row in table.rows] == [Cell("70.0", "[60.0, 80.0] (9)", best=True), Cell("60.0")]
    assert "over how many groups" in table.note and "have no interval" in table.note
    assert interval_in_words("accuracy", 0.6, 0.8, 9) == "95 % interval 60.0 to 80.0 over 9 groups"
    assert interval_in_words("mae", None, None, 1) == "no interval over 1 group"
    assert gap_cells("accuracy", {"value": 0.1, "low": -0.05, "high": 0.25, "groups": 3}) == ["+10.0", "-5.0 to +25.0", "3"]
    assert gap_cells("mae", {"value": 1.5, "low": None, "high": None}) == ["+1.5", "none", "not said"]  # an older file
    [axes] = plot_results(rows).axes
    assert [text.get_text() for text in axes.texts] == ["70.0 (9)", "60.0"]


def test_an_interval_that_is_wider_than_any_picture_is_cut():
    rows = [Row("d", "t", "a", "mae", 5.0, 1e-4, 3e5, 2, 2)]
    assert plot_results(rows).axes[0].get_xlim()[1] < 200

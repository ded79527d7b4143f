from __future__ import annotations

import numpy as np
import pytest
from example_page import PHONES

from audiossl.errors import DataError
from audiossl.report.map_picture import OTHER, plot_embedding_map
from audiossl.report.maps import map_embeddings, principal_components
from audiossl.report.media import figure_svg


def _clusters(num_points: int, num_classes: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    classes = draw.integers(0, num_classes, num_points)
    return 3 * draw.normal(size=(num_classes, 16))[classes] + noise * draw.normal(size=(num_points, 16)), classes


def test_principal_components_keep_distances_and_order_variance():
    values = np.random.default_rng(0).normal(size=(30, 5)) * [1, 5, 2, 0.1, 3]
    components = principal_components(values.astype(np.float32), 5)
    assert (np.diff(components.var(axis=0)) < 0).all()
    distance = lambda points: np.linalg.norm(points[:, None] - points[None], axis=-1)  # noqa: E731
    np.testing.assert_allclose(distance(components), distance(values), atol=1e-4)


def test_maps_are_deterministic_and_keep_classes_together():
    embeddings, classes = _clusters(120, 5)
    first, second = (map_embeddings(embeddings.astype(np.float32)) for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.chosen, np.arange(120))
    distance = np.linalg.norm(first.points[:, None] - first.points[None], axis=-1) + 1e9 * np.eye(120)
    assert (classes[distance.argmin(axis=1)] == classes).mean() > 0.98


def test_many_points_are_thinned_at_random():
    embeddings, _ = _clusters(500, 3)
    chosen = map_embeddings(embeddings, limit=40).chosen
    assert len(set(chosen)) == len(chosen) == 40
    assert chosen.max() > 400
    np.testing.assert_array_equal(chosen, map_embeddings(embeddings, limit=40).chosen)
    assert not np.array_equal(chosen, map_embeddings(embeddings, limit=40, seed=1).chosen)


@pytest.mark.parametrize("embeddings", [np.zeros((1, 4)), np.ones((50, 4)), np.ones((3, 1)), np.arange(60.0)[:, None]])
def test_degenerate_embeddings_still_have_places(embeddings):
    points = map_embeddings(embeddings).points
    assert points.shape == (len(embeddings), 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("embeddings", [np.zeros((0, 4)), np.full((4, 4), np.nan)])
def test_embeddings_without_values_are_refused(embeddings):
    with pytest.raises(DataError, match="finite embeddings"):
        map_embeddings(embeddings)


def test_forty_classes_are_told_apart():
    points, classes = _clusters(400, 40)
    figure = plot_embedding_map(points[:, :2], [PHONES[c] for c in classes])
    groups = figure.axes[0].collections
    assert [group.get_label() for group in groups] == sorted(PHONES)
    looks = {(tuple(group.get_facecolor()[0]), group.get_paths()[0].vertices.tobytes()) for group in groups}
    assert len(looks) == 40
    assert sum(len(group.get_offsets()) for group in groups) == 400
    assert ">ZH<" in figure_svg(figure)


def test_rare_classes_beyond_forty_are_drawn_as_one():
    labels = [f"class {position:02d}" for position in range(45) for _ in range(1 if position % 9 == 0 else 3)]
    figure = plot_embedding_map(np.random.default_rng(0).normal(size=(len(labels), 2)), labels)
    names = [group.get_label() for group in figure.axes[0].collections]
    assert len(names) == 40
    assert names[-1] == OTHER
    assert "class 09" not in names


def test_a_label_for_each_point():
    with pytest.raises(DataError, match="1 labels for 2 points"):
        plot_embedding_map(np.zeros((2, 2)), ["a"])

import numpy as np
import pytest
import torch
from hear_toy_tasks import write_scene_task

from audiossl.evaluation.hear.predictor import DEFAULT_GRID, Labelled, Predictor, Validation, train_predictor
from audiossl.evaluation.hear.protocol import grid_points
from audiossl.evaluation.hear.task import read_task

SETTINGS = {key: values[0] for key, values in DEFAULT_GRID.items()} | {"hidden_dim": 8, "max_epochs": 60}


def labelled(count=40):
    generator = torch.Generator().manual_seed(0)
    targets = torch.eye(2)[torch.arange(count) % 2]
    return Labelled(torch.randn(count, 3, generator=generator) + 4 * targets[:, :1], targets)


def test_the_kits_eight_points_in_its_order(tmp_path):
    found = [
        (point["hidden_layers"], point["lr"], point["initialization"].removeprefix("xavier_"))
        for point in grid_points("default", read_task(write_scene_task(tmp_path, clips_per_class=1)), 8)
    ]
    assert found == [
        (1, 1e-4, "normal"), (2, 1e-3, "uniform"), (1, 1e-3, "normal"), (1, 3.2e-4, "normal"),
        (2, 3.2e-4, "normal"), (2, 3.2e-4, "uniform"), (2, 3.2e-3, "normal"), (2, 3.2e-3, "uniform"),
    ]  # fmt: skip


def test_layers_come_in_the_kits_order():
    names = [type(layer).__name__ for layer in Predictor(3, 2, False, SETTINGS | {"hidden_layers": 2}).hidden]
    assert names == ["Linear", "BatchNorm1d", "Dropout", "ReLU"] * 2


@pytest.mark.parametrize("multilabel", [False, True])
def test_losses_are_those_of_multi_hot_targets(multilabel):
    predictor = Predictor(3, 2, multilabel, SETTINGS)
    logits, targets = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    p = predictor.probabilities(logits)[0]
    expected = -(p[0].log() + (1 - p[1]).log()) / 2 if multilabel else -p[0].log()
    torch.testing.assert_close(predictor.loss(logits, targets), expected)


def test_training_stops_after_patience_validations_and_goes_back():
    values = iter([0.2, 0.6, 0.6, 0.5, 0.6, 0.9])
    settings = SETTINGS | {"patience": 3, "check_val_every_n_epoch": 2}
    data = labelled()
    found = train_predictor(data, data, False, settings, lambda p, loss: Validation(next(values), {"kept": 1}), True)
    # Equal is no progress: validations at epochs 1, 3, 5, 7, 9, the third without progress ends it.
    assert [epoch for epoch, _ in found.history] == [1, 3, 5, 7, 9]
    assert found.epoch == 3 and found.validation.value == np.float32(0.6) and found.validation.choice == {"kept": 1}


def test_a_score_that_is_not_finite_ends_the_run():
    data = labelled()
    found = train_predictor(data, data, False, SETTINGS, lambda p, loss: Validation(float("nan")), True)
    assert found.validation.value == -np.inf and len(found.history) == 1


def test_it_learns():
    data = labelled()

    def accuracy(probabilities, loss):
        return Validation(float((probabilities.argmax(1) == data.targets.argmax(1)).float().mean()))

    torch.manual_seed(0)
    assert train_predictor(data, data, False, SETTINGS | {"lr": 0.01}, accuracy, True).validation.value > 0.9

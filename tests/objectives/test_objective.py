"""What an objective needs of its batches, and training from Python without a recipe."""

from __future__ import annotations

import pytest
import torch
from window_examples import small_resnet

from audiossl.errors import ConfigError
from audiossl.objectives.kinds import GRAPH_OBJECTIVES, WINDOW_OBJECTIVES, find_objective
from audiossl.objectives.objective import Needs, NoOptions, Objective, check_needs
from audiossl.objectives.simclr import SimCLR
from audiossl.objectives.window_batch import WindowBatch


@pytest.mark.parametrize("needs", list(Needs))
def test_a_need_that_batches_do_not_meet_is_named(needs):
    check_needs("mine", needs, needs | Needs.CROPS, "these batches")
    with pytest.raises(
        ConfigError, match=f"mine needs {needs.in_words()}, which these batches do not bring; they bring one view"
    ):
        check_needs("mine", needs, Needs.VIEW, "these batches")


def test_one_view_is_brought_by_every_batch():
    check_needs("mine", Needs.VIEW, Needs.VIEW, "these batches")
    assert Needs.VIEW.in_words() == "one view"


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table in (WINDOW_OBJECTIVES, GRAPH_OBJECTIVES) for name in table],
    ids=lambda x: str(x)[:20],
)
def test_every_objective_of_the_tables_says_its_options_and_needs(table, name):
    found = find_objective(name, table)
    assert issubclass(found, Objective) and isinstance(found.needs, Needs)
    found.Config()


def test_a_module_that_is_no_objective_is_refused():
    with pytest.raises(
        ConfigError, match=r"objective 'torch.nn:Linear': expected a class with Config, needs, forward, after_step"
    ):
        find_objective("torch.nn:Linear", WINDOW_OBJECTIVES)


def test_an_objective_without_a_loss_says_so():
    with pytest.raises(NotImplementedError, match="Mine defines no forward"):
        type("Mine", (Objective,), {"Config": NoOptions})()(torch.zeros(1))


def test_three_lines_give_a_loss():
    objective = SimCLR(small_resnet())
    loss = objective(WindowBatch.of(torch.randn(4, 6, 64)))
    loss.total.backward()
    assert loss.weight == 4 and loss.mean() > 0


def test_a_batch_of_a_signal_alone():
    batch = WindowBatch.of(torch.zeros(3, 2, 100), rate=50, subjects=["a", "a", "b"])
    assert batch.lengths.tolist() == [100] * 3 and batch.seconds == 6.0 and batch.subjects == ["a", "a", "b"]
    shorter = WindowBatch.of(torch.zeros(3, 2, 100), torch.tensor([10, 20, 30]))
    assert shorter.seconds == 60.0 and len(set(shorter.subjects)) == 3

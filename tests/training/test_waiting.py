"""Between two rows of the log nothing in a step reads a number from the device, which would have to finish for that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from audiossl.models.student import make_student
from audiossl.objectives.batch import TokenBatch, collate_tokens
from audiossl.objectives.masked_prediction import MaskedPredictionConfig, TokenStream
from audiossl.objectives.masked_tokens import MaskedTokens
from audiossl.training.batches import FunctionBatches
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

WAITING = {"aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.is_nonzero", "aten.equal", "aten.unique_dim"}


class Readings(TorchDispatchMode):
    """Counts operations that wait for a device, each with the operation's name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func.overloadpacket)
        indexes = args[1] if name in ("aten.index", "aten.index_put", "aten.index_put_") else ()
        by_mask = any(index is not None and index.dtype == torch.bool for index in indexes)
        if name in WAITING or by_mask:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


class Watched(MaskedTokens):
    """Notes how many readings there were when each step ends."""

    readings: Readings
    after: list[int]

    def after_step(self, step: int) -> None:
        self.after.append(self.readings.found.total())


def make_batches() -> list[TokenBatch]:
    batches = []
    for index, seconds in enumerate([(1.1, 0.8), (0.6, 0.5, 0.4), (1.2,), (0.7, 0.7)] * 2):
        signals = [torch.randn(1, int(16000 * length)) for length in seconds]
        tokens = [{"tokens": torch.randint(16, (int(50 * length), 2))} for length in seconds]
        batches.append(collate_tokens([f"{index}-{item}" for item in range(len(seconds))], signals, tokens))
    return batches


@pytest.mark.parametrize("optimiser", ["adamw", "scaled_adam"])
def test_no_step_waits_between_rows_of_the_log(tmp_path: Path, optimiser: str):
    torch.manual_seed(0)
    student = make_student("zipformer", "tiny", {"num_mel_bins": 20, "encoder_dim": (32,) * 5, "feedforward_dim": (32,) * 5})
    objective = Watched(student, {"tokens": TokenStream(50.0, 2, 16)}, MaskedPredictionConfig(channel_mask_length=3))
    data = make_batches()
    config = TrainingConfig(
        optimiser, lr=0.01, max_steps=8, log_every=4, validate_every=0, checkpoint_every=0, tensorboard=False, device="cpu"
    )  # fmt: skip
    objective.after = []
    with Readings() as readings:
        objective.readings = readings
        masks = _drawn_on_the_host(readings)
        with masks:
            fit(objective, FunctionBatches(lambda epoch, first, per_step: data[first:]), config, tmp_path, quiet=True)
    steps = [later - earlier for earlier, later in zip(objective.after, objective.after[1:], strict=False)]
    assert steps[3] > 0, "the row after step 4 is read"
    assert [count for index, count in enumerate(steps) if index != 3] == [0] * 6, readings.found


def _drawn_on_the_host(readings: Readings):
    """Masks are drawn on the host, from a generator for each item, wherever the batch is: those readings wait for nobody."""
    from contextlib import contextmanager

    from audiossl.objectives import masked_prediction

    @contextmanager
    def apart():
        draw = masked_prediction.draw_masks

        def draw_apart(*args, **kwargs):
            kept = readings.found.copy()
            try:
                return draw(*args, **kwargs)
            finally:
                readings.found = kept

        masked_prediction.draw_masks = draw_apart
        try:
            yield
        finally:
            masked_prediction.draw_masks = draw

    return apart()

"""Loss spikes: after a step with a loss far above the usual one, training returns to the newest checkpoint."""

from __future__ import annotations

import math

from audiossl.errors import DataError
from audiossl.training.run_state import Progress

MEMORY = 0.98  # of the running mean of the loss
MIN_STEPS = 50  # that the mean needs before anything is a spike
MAX_ROLLBACKS = 3  # to one checkpoint


def is_spike(progress: Progress, loss: float, factor: float) -> bool:
    """Compare a step's mean loss with the usual one, of which it becomes a part unless it is a spike.

    Args:
        progress: keeps the running mean.
        loss: loss of the step; one that is not finite is left to the check of gradients.
        factor: times the usual loss from which on it is a spike; 0 for never.

    Raises:
        DataError: if the run was rolled back to the newest checkpoint three times already.
    """
    if not math.isfinite(loss):
        return False
    if factor > 0 and progress.usual_steps >= MIN_STEPS and 0 < factor * progress.usual_loss < loss:
        progress.rollbacks += 1
        if progress.rollbacks > MAX_ROLLBACKS:
            raise DataError(
                f"step {progress.step}: the loss {loss:.3g} is above {factor:g} times the usual {progress.usual_loss:.3g} again, "
                f"after {MAX_ROLLBACKS} returns to the newest checkpoint. Lower training.lr or raise training.warmup_steps."
            )
        return True
    keep = min(MEMORY, progress.usual_steps / (progress.usual_steps + 1))
    progress.usual_loss = keep * progress.usual_loss + (1 - keep) * loss
    progress.usual_steps += 1
    return False

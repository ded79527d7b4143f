"""Makes the devices of a model: what they share, and which of them are off."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiossl.models.training_devices.balancer import DEFAULT_PROBABILITY, Balancer
from audiossl.models.training_devices.options import TrainingDevices
from audiossl.models.training_devices.schedule import Clock, Number, Schedule, value_at
from audiossl.models.training_devices.skips import FeatureMask
from audiossl.models.training_devices.whiten import Whiten


@dataclass
class Workshop:
    """The options, the clock and the feature mask of a model. A device that is off acts with probability 0."""

    options: TrainingDevices
    clock: Clock = field(default_factory=Clock)
    feature_mask: FeatureMask = field(default_factory=FeatureMask)

    def balancer(
        self, positive: tuple[Number, Number], size: tuple[Number, Number], probability: Number = DEFAULT_PROBABILITY
    ) -> Balancer:
        """Make a balancer."""
        return Balancer(self.clock, positive, size, probability if self.options.balancer else 0.0)

    def whiten(self, first_limit: float, last_limit: float, grad_scale: float = 0.01, groups: int = 1) -> Whiten:
        """Make a Whiten whose limit goes from the first to the last value in 20,000 batches."""
        limit = Schedule((0, first_limit), (20000, last_limit))
        return Whiten(self.clock, limit, grad_scale, groups, 0.25 if self.options.whiten else 0.0)

    def rate(self, on: bool, schedule: Number) -> float:
        """Present value of a rate, 0 where its device is off."""
        return value_at(schedule, self.clock.batch) if on else 0.0

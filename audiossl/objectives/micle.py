"""MICLe: multi-instance contrast; positives are two members of one bag (arXiv 2101.05224, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.lengths import pad_stack
from audiossl.models.encoder import Encoder
from audiossl.objectives.contrast import gather, nt_xent
from audiossl.objectives.nnclr import subject_numbers
from audiossl.objectives.objective import Needs
from audiossl.objectives.option_checks import require_positive
from audiossl.objectives.two_views import TwoViewConfig, TwoViews
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class MICLeConfig(TwoViewConfig):
    """Views and heads.

    Attributes:
        temperature: tau.
        crop: share of a window that a view keeps at least; 1 keeps all of it.
        sensors: channels of each sensor, such as `[[0, 1, 2], [3, 4, 5]]`, which are then members of the bag as well. The views
            are of two different ones, and see zeros in place of the others. Empty: a view has all channels.

    Raises:
        ConfigError: for options out of range.

    >>> MICLeConfig(sensors=[[0, 1, 2], [3, 4, 5]]).temperature
    0.1
    """

    temperature: float = 0.1
    crop: float = 1.0
    sensors: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("temperature", self.temperature)
        if not 0 < self.crop <= 1:
            raise ConfigError(f"expected a crop above 0 and at most 1, got {self.crop}")
        if len(self.sensors) == 1 or not all(self.sensors) or min(map(min, self.sensors), default=0) < 0:
            raise ConfigError(
                f"expected sensors to be the channels of two or more, such as [[0, 1, 2], [3, 4]], got {self.sensors}"
            )


class MICLe(TwoViews):
    """Two members of a bag find each other among those of other bags, by NT-Xent.

    The batch says what a bag is: the recordings of a subject, the windows of a recording, or the sensors of a window. Where a
    window's recording is alone, its partner is the window itself, and the positives are two crops and augmentations of it. Other
    items of the same bag are no negatives. Embeddings and bags of all ranks are gathered before the loss.

    Args:
        encoder: encoder of the windows, which is trained.
        config: views, heads and temperature.

    >>> from dataclasses import replace
    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> batch, other = (WindowBatch.of(torch.randn(4, 6, 64), subjects=["a", "b", "c", "d"]) for _ in range(2))
    >>> batch = replace(batch, partner=other.signal, partner_lengths=other.lengths, bags=batch.subjects)
    >>> MICLe(encoder)(batch).weight
    4.0
    """

    Config = MICLeConfig
    needs = Needs.PARTNER

    def __init__(self, encoder: Encoder, config: MICLeConfig | None = None) -> None:
        config = config or MICLeConfig()
        super().__init__(encoder, config)
        self.options = config

    def views(self, batch: WindowBatch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Signal and lengths of both views.

        Raises:
            ConfigError: if the batch has no partners or does not name its bags, or a sensor has channels that windows lack.
        """
        if batch.partner is None or batch.bags is None:
            raise ConfigError(
                "MICLe needs a partner from the same bag for each window: give the batch partner, partner_lengths and bags; "
                "the partner of what is alone in its bag is the window itself"
            )
        first, second = (self._crop(*view, batch, number) for number, view in enumerate(super().views(batch)))
        if not self.options.sensors:
            return first, second
        seen = self._sensors(batch)
        return (first[0] * seen[:, 0, :, None], first[1]), (second[0] * seen[:, 1, :, None], second[1])

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """NT-Xent without negatives from the own bag."""
        assert batch.bags is not None  # or there would be no views
        bags = gather(subject_numbers(batch.bags).to(a.device)[:, None])[:, 0]
        return {"nt_xent": nt_xent(a, b, self.options.temperature, bags)}

    def _crop(
        self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"], batch: WindowBatch, view: int
    ) -> tuple[Float[Tensor, "B C L2"], Int[Tensor, "B"]]:
        """Keep a random stretch of every window, drawn from (seed, epoch, id, view)."""
        if self.options.crop == 1:
            return signal, lengths
        pieces = []
        for row, (id_, length) in enumerate(zip(batch.ids, lengths.tolist(), strict=True)):
            generator = derive_generator(batch.seed, batch.epoch, id_, "crop", view)
            size = int(torch.randint(max(1, round(self.options.crop * length)), length + 1, (), generator=generator))
            start = int(torch.randint(length - size + 1, (), generator=generator))
            pieces.append(signal[row, :, start : start + size].T)
        cropped, sizes = pad_stack(pieces)
        return cropped.transpose(1, 2).contiguous(), sizes.to(lengths.device)

    def _sensors(self, batch: WindowBatch) -> Float[Tensor, "B 2 C"]:
        """One where a channel is of the sensor that a view is of; both sensors are drawn from (seed, epoch, id)."""
        sensors, num_channels = self.options.sensors, batch.signal.shape[1]
        if max(map(max, sensors)) >= num_channels:
            raise ConfigError(f"micle.sensors={sensors} names channels beyond the {num_channels} of the windows")
        seen = torch.zeros(len(batch.ids), 2, num_channels)
        for row, id_ in enumerate(batch.ids):
            generator = derive_generator(batch.seed, batch.epoch, id_, "sensors")
            for view, sensor in enumerate(torch.randperm(len(sensors), generator=generator)[:2].tolist()):
                seen[row, view, sensors[sensor]] = 1
        return seen.to(batch.signal)

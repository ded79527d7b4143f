"""PCRL: contrast that preserves context, by rebuilding transformed windows (arXiv 2109.04379)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder, Frames
from audiossl.objectives.frame_decoder import FrameDecoder
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.momentum_contrast import MomentumContrast, MomentumContrastConfig
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.other_windows import OtherWindows
from audiossl.objectives.transform_code import TransformConfig, Transforms
from audiossl.objectives.two_views import mlp
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class PCRLConfig(MomentumContrastConfig):
    """Views, heads, queue, moving average, transformations and decoder.

    Attributes:
        transforms: transformations of what is rebuilt.
        gate: width of the hidden layer that makes a gate of a transformation's code.
        decoder: widths of the decoder's layers before its convolution.
        rebuild_weight: weight of the reconstruction.

    Raises:
        ConfigError: for a number out of range.

    >>> PCRLConfig(queue=512).temperature
    0.2
    """

    transforms: TransformConfig = field(default_factory=TransformConfig)
    gate: int = 256
    decoder: list[int] = field(default_factory=lambda: [256])
    rebuild_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("gate", self.gate)
        require_widths("decoder", self.decoder)
        if self.rebuild_weight < 0:
            raise ConfigError(f"expected rebuild_weight of at least 0, got {self.rebuild_weight}")


class PCRL(MomentumContrast):
    """Contrast of views and of mixtures, and reconstruction of windows as they are after a known transformation.

    `contrast` is the mean of three terms with a queue: query and key of two views; of a mixture of two windows and the same
    mixture of their second views; of a mixture and the mixture of keys. Mixtures are `share * own + (1 - share) * other`, with a
    share of at least a half. `rebuild` is the mean of four squared errors: of the view, of the mixture, and of both where the
    frames are a mixture of the student's and the moving average's, from which the mixture of what each saw is to be rebuilt. What
    is rebuilt is the window with another sign, direction, gain, speed and band; the decoder is told by a code that scales the
    frames' channels through a sigmoid, and frames are read in the direction and at the speed of the target.

    Everything is drawn from (seed, epoch, id). The other window of a mixture may lie on another rank. Transformations are linear,
    so that what is to be rebuilt of a mixture is the mixture of what is to be rebuilt.

    Args:
        encoder: encoder of the windows, which is trained; keys come from a moving average of it.
        config: views, heads, queue, moving average, transformations and decoder.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> loss = PCRL(encoder, PCRLConfig(queue=8))(WindowBatch.of(torch.randn(4, 6, 64)))
    >>> loss.weight, sorted(loss.parts)
    (4.0, ['contrast', 'rebuild'])
    """

    Config = PCRLConfig

    def __init__(self, encoder: Encoder, config: PCRLConfig | None = None) -> None:
        config = config or PCRLConfig()
        super().__init__(encoder, config)
        self.options = config
        self.gate = mlp([config.transforms.width, config.gate, encoder.dim], batch_norm=False)
        self.decoder = FrameDecoder(encoder, config.decoder)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows."""
        key = (batch.seed, batch.epoch)
        first, second = self.views(batch)
        share, cross = self._shares(batch).unbind(1)
        others = OtherWindows(batch.ids, (*key, "mixture"), first[0].device)
        mixed_first, mixed_second = (_mixture(view, others, share) for view in (first, second))
        (plain, query), (mixed, mixed_query) = self.query(*first), self.query(*mixed_first)
        (plain_key, keys), (mixed_key, mixed_keys) = self.key(*second), self.key(*mixed_second)
        count = float(len(batch.ids))
        with torch.autocast(query.device.type, enabled=False):
            unit = functional.normalize(keys, dim=1)
            of_keys = share[:, None] * unit + (1 - share[:, None]) * others.of(unit)
            tau = self.options.temperature
            pairs = ((query, keys), (mixed_query, mixed_keys), (mixed_query, of_keys))
            contrast = torch.stack([self.queue.contrast(*pair, tau) for pair in pairs]).mean(0).sum()
            transforms = Transforms.draw(batch.ids, key, self.options.transforms, query.device)
            errors = [
                self._error(_final(plain), first, transforms),
                self._error(_final(mixed), mixed_first, transforms),
                self._error(*_crossed(plain, plain_key, first, second, cross), transforms),
                self._error(*_crossed(mixed, mixed_key, mixed_first, mixed_second, cross), transforms),
            ]
            rebuild = self.options.rebuild_weight * torch.stack(errors).mean(0).sum()
        self.take_in(keys)
        parts = {"contrast": Ratio(contrast.detach(), count), "rebuild": Ratio(rebuild.detach(), count)}
        return Loss(contrast + rebuild, count, parts)

    def rebuild(
        self,
        frames: tuple[Float[Tensor, "B T D"], Int[Tensor, "B"]],
        lengths: Int[Tensor, "B"],
        transforms: Transforms,
        size: int,
    ) -> tuple[Float[Tensor, "B C {size}"], Int[Tensor, "B"]]:
        """Decode windows as they are after a transformation, from frames before it; and from how many frames."""
        values, counts = frames
        hop, first = self.decoder.hop, self.decoder.first
        moved, counts = transforms.of_frames(values.float().transpose(1, 2), counts, lengths, first, hop)
        gated = moved * self.gate(transforms.code).sigmoid()[:, :, None]
        return self.decoder(gated.transpose(1, 2), size), counts

    def _error(
        self,
        frames: tuple[Float[Tensor, "B T D"], Int[Tensor, "B"]],
        seen: tuple[Float[Tensor, "B C L"], Int[Tensor, "B"]],
        transforms: Transforms,
    ) -> Float[Tensor, "B"]:
        """Mean squared error of each window over the samples of it that frames stand for."""
        target, sizes = transforms.of_signal(seen[0].float(), seen[1])
        rebuilt, counts = self.rebuild(frames, seen[1], transforms, target.shape[2])
        counted = self.decoder.covers(counts, sizes, target.shape[2])
        error = (rebuilt - target).square().mean(1).masked_fill(~counted, 0.0)
        return error.sum(1) / counted.sum(1).clamp(min=1)

    @staticmethod
    def _shares(batch: WindowBatch) -> Float[Tensor, "B 2"]:
        """Shares of the own window in its mixture, and of the student's frames in that of frames: uniform, at least a half."""
        draws = [torch.rand(2, generator=derive_generator(batch.seed, batch.epoch, id_, "shares")) for id_ in batch.ids]
        drawn = torch.stack(draws).to(batch.signal.device)
        return torch.maximum(drawn, 1 - drawn)


def _mixture(view: tuple[Tensor, Tensor], others: OtherWindows, share: Float[Tensor, "B"]) -> tuple[Tensor, Tensor]:
    """Windows mixed with others, as long as they are; a shorter other one ends earlier."""
    signal, lengths = view
    weight = share[:, None, None].to(signal)
    valid = torch.arange(signal.shape[2], device=signal.device) < lengths[:, None]
    return (weight * signal + (1 - weight) * others.of(signal)) * valid[:, None], lengths


def _final(frames: Frames) -> tuple[Tensor, Tensor]:
    return frames.last, frames.last_lengths


def _crossed(
    student: Frames, teacher: Frames, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], share: Float[Tensor, "B"]
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Frames of two networks mixed, and what they saw mixed alike, as far as both have it."""
    weight, size = share[:, None, None], min(first[0].shape[2], second[0].shape[2])
    num = min(student.last.shape[1], teacher.last.shape[1])
    frames = weight * student.last[:, :num].float() + (1 - weight) * teacher.last[:, :num].float()
    lengths = torch.minimum(first[1], second[1])
    seen = weight * first[0][..., :size].float() + (1 - weight) * second[0][..., :size].float()
    valid = torch.arange(size, device=seen.device) < lengths[:, None]
    return (frames, torch.minimum(student.last_lengths, teacher.last_lengths)), (seen * valid[:, None], lengths)

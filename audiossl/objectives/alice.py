"""Alice: stretches of two recordings that play the same role are described alike, and rebuilt from a part (arXiv 2302.05615)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, distributed, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.models.cross_attention import CrossAttention
from audiossl.models.encoder import Encoder, Frames
from audiossl.objectives.contrast import world_size
from audiossl.objectives.corrupted_input import encode_corrupted
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.moving_average import follow, momentum_at
from audiossl.objectives.objective import Needs, Objective
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.two_views import mlp
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class AliceConfig:
    """Masks, heads, temperatures and weights.

    Attributes:
        mask: share of the blocks of a crop that the student does not see; they are zero.
        block: seconds of a block.
        width, heads: width and heads of the cross-attention.
        head: widths of the layers of a head before its prototypes.
        prototypes: width of what a head gives, of which the teacher makes a distribution.
        temperature: temperature of the student.
        teacher_temperature: temperature of the teacher; it rises from `teacher_start` over `warmup_steps`.
        centre: share of the centres that is kept with each batch.
        momentum: share of the teacher that is kept at first; it rises to 1 along a cosine over `momentum_steps` updates, 0 for
            never.
        window_weight, frame_weight, rebuild_weight: weights of the three losses.

    Raises:
        ConfigError: for a number out of range.

    >>> AliceConfig(mask=0.5).rebuild_weight
    10.0
    """

    mask: float = 0.75
    block: float = 0.16
    width: int = 128
    heads: int = 4
    head: list[int] = field(default_factory=lambda: [512, 128])
    prototypes: int = 512
    temperature: float = 0.1
    teacher_temperature: float = 0.01
    teacher_start: float = 0.008
    warmup_steps: int = 0
    centre: float = 0.9
    momentum: float = 0.996
    momentum_steps: int = 0
    window_weight: float = 1.0
    frame_weight: float = 1.0
    rebuild_weight: float = 10.0

    def __post_init__(self) -> None:
        require_widths("head", self.head, fewest=1)
        for name in ("block", "width", "heads", "prototypes", "temperature", "teacher_temperature", "teacher_start"):
            require_positive(name, getattr(self, name))
        if not (0 <= self.mask < 1 and 0 <= self.centre < 1 and 0 <= self.momentum <= 1):
            got = f"{self.mask}, {self.centre} and {self.momentum}"
            raise ConfigError(f"expected mask and centre of 0 to below 1 and a momentum of 0 to 1, got {got}")
        if min(self.warmup_steps, self.momentum_steps) < 0:
            raise ConfigError(f"expected steps of at least 0, got {self.warmup_steps} and {self.momentum_steps}")


class Alice(Objective[Encoder, WindowBatch]):
    """A masked student describes a crop as the teacher does its match in another recording, and rebuilds what it did not see.

    The batch brings a crop of each window and the stretch of another recording that is most like it in the frames of a frozen
    encoder (`audiossl.objectives.matches`); where nothing was alike enough, the crop itself. Three losses: `window`, the mean
    frame's distribution over prototypes, student of one crop against teacher of the other; `frame`, the same of frames of one
    crop, after the student's frames have asked those of either network by one cross-attention (so that both are aligned);
    `rebuild`, half the mean squared error of the whole unmasked crop, from the student's aligned frames. The teacher is a moving
    average of encoder and heads, sees all of a crop, and its outputs are centred by a running mean over all ranks.

    Batch norms of the encoder keep the statistics of unmasked crops, which are what the trained encoder meets.

    Args:
        encoder: encoder of the windows, which is trained; the teacher is a copy of it.
        config: masks, heads, temperatures and weights.

    >>> from dataclasses import replace
    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> from audiossl.objectives.crops import cut_crops
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> batch = WindowBatch.of(torch.randn(4, 6, 64), rate=50)
    >>> pairs = cut_crops(batch.signal, batch.lengths, batch.ids, (0, 0))
    >>> loss = Alice(encoder, AliceConfig(width=8, head=[8], prototypes=16))(replace(batch, matches=pairs))
    >>> loss.weight, sorted(loss.parts)
    (4.0, ['frame', 'rebuild', 'window'])
    """

    Config = AliceConfig
    needs = Needs.DENSE_ENCODER

    steps: Tensor
    window_centre: Tensor
    frame_centre: Tensor

    def __init__(self, encoder: Encoder, config: AliceConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config = config or AliceConfig()
        self.hop = round(encoder.sample_rate / encoder.last_frame_rate)
        self.attention = CrossAttention(encoder.dim, config.width, config.heads)
        self.head = Prototypes(encoder.dim, config.head, config.prototypes)
        self.frame_head = Prototypes(config.width, config.head, config.prototypes)
        # Encoders of audio, which do not say how many channels they take, take one.
        self.num_channels = getattr(encoder, "num_channels", 0) or len(getattr(encoder, "regions", ())) or 1
        self.decoder = nn.Linear(config.width, self.num_channels * self.hop)
        copies = [deepcopy(module) for module in (cast(nn.Module, encoder), self.head, self.frame_head)]
        self.teacher = nn.ModuleList(copies).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("window_centre", torch.zeros(config.prototypes))
        self.register_buffer("frame_centre", torch.zeros(config.prototypes))

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows.

        Raises:
            ConfigError: if the batch brings no matches, or signals of another number of channels than the encoder takes.
        """
        signal, lengths, ids = self._crops(batch)
        frames = encode_corrupted(self.encoder, signal * self._kept(batch, ids, signal, lengths), signal, lengths)
        with torch.no_grad():
            taught: Frames = self.teacher.eval()[0](signal, lengths)
        counts = frames.last_lengths
        valid = ~padding_mask(counts, frames.last.shape[1])
        with torch.autocast(signal.device.type, enabled=False):
            queries = frames.last.float().masked_fill(~valid[..., None], 0.0)
            aligned = self.attention(queries, queries, counts)
            with torch.no_grad():
                target = self.attention(queries, taught.last.float().masked_fill(~valid[..., None], 0.0), counts)
                of_window, of_frame = self.teacher[1](mean_frame(taught)), self.teacher[2](target)
            window = self._agree(self.head(mean_frame(frames)), of_window.roll(len(batch.ids), 0), self.window_centre)
            frame = _mean_of(self._agree(self.frame_head(aligned), of_frame, self.frame_centre), valid)
            rebuild = self._error(self.decoder(aligned), signal, lengths, counts) / 2
            if self.training and torch.is_grad_enabled():  # without gradients ranks may have other numbers of batches
                self._move_centres(of_window, _mean_of(of_frame, valid))
        config = self.config
        terms = {"window": (config.window_weight, window), "frame": (config.frame_weight, frame)}
        terms["rebuild"] = (config.rebuild_weight, rebuild)
        sums = {name: weight * loss.sum() / 2 for name, (weight, loss) in terms.items()}  # two crops of a window
        count = float(len(batch.ids))
        parts = {name: Ratio(value.detach(), count) for name, value in sums.items()}
        return Loss(torch.stack(list(sums.values())).sum(), count, parts)

    def before_step(self, step: int, seconds: float) -> None:
        """Note how far training is, which decides the teacher's temperature."""
        self.steps.fill_(step)

    def after_step(self, step: int) -> None:
        """Move the teacher towards the student, after `step` updates."""
        online = nn.ModuleList([cast(nn.Module, self.encoder), self.head, self.frame_head])
        follow(self.teacher, online, momentum_at(step, self.config.momentum, self.config.momentum_steps))

    def teacher_temperature(self) -> float:
        """The teacher's temperature at this step."""
        config = self.config
        share = min(1.0, int(self.steps) / config.warmup_steps) if config.warmup_steps else 1.0
        return config.teacher_start + share * (config.teacher_temperature - config.teacher_start)

    def _crops(self, batch: WindowBatch) -> tuple[Float[Tensor, "N C L"], Int[Tensor, "N"], list[str]]:
        """All crops, then all matches, and ids to draw masks by."""
        if batch.matches is None:
            raise ConfigError(
                "Alice needs for a crop of each window its match in another recording: give the batch matches, as "
                "audiossl.objectives.Matcher finds them with a frozen dense encoder"
            )
        (own, sizes), (other, lengths) = batch.matches.view(0), batch.matches.view(1)
        if own.shape[1] != self.num_channels:
            raise ConfigError(f"expected signals of {self.num_channels} channels, as the encoder takes, got {own.shape[1]}")
        return torch.cat([own, other]), torch.cat([sizes, lengths]), [f"{id_} {view}" for view in range(2) for id_ in batch.ids]

    def _kept(
        self, batch: WindowBatch, ids: list[str], signal: Float[Tensor, "N C L"], lengths: Int[Tensor, "N"]
    ) -> Float[Tensor, "N 1 L"]:
        """Zero in the blocks that are hidden, drawn from (seed, epoch, id, crop)."""
        block = max(1, round(self.config.block * batch.rate))
        kept = torch.ones(len(ids), -(-signal.shape[2] // block))
        for row, (id_, length) in enumerate(zip(ids, lengths.tolist(), strict=True)):
            count = -(-length // block)
            generator = derive_generator(batch.seed, batch.epoch, id_, "mask")
            kept[row, torch.randperm(count, generator=generator)[: round(self.config.mask * count)]] = 0
        return kept.repeat_interleave(block, 1)[:, None, : signal.shape[2]].to(signal)

    def _agree(
        self, student: Float[Tensor, "N *T K"], teacher: Float[Tensor, "N *T K"], centre: Float[Tensor, "K"]
    ) -> Float[Tensor, "N *T"]:
        """Cross-entropy between the centred, sharpened distribution of the teacher and that of the student."""
        return cross_entropy(student / self.config.temperature, (teacher - centre) / self.teacher_temperature())

    def _error(
        self,
        rebuilt: Float[Tensor, "N T CH"],
        signal: Float[Tensor, "N C L"],
        lengths: Int[Tensor, "N"],
        counts: Int[Tensor, "N"],
    ) -> Float[Tensor, "N"]:
        """Mean squared error over the samples of each crop that its frames stand for."""
        samples = rebuilt.unflatten(2, (self.num_channels, self.hop)).transpose(1, 2).flatten(2)[..., : signal.shape[2]]
        wanted = signal[..., : samples.shape[2]].float()
        valid = ~padding_mask(torch.minimum(lengths, counts * self.hop), samples.shape[2])
        return _mean_of((samples - wanted).square().mean(1), valid)

    @torch.no_grad()
    def _move_centres(self, window: Float[Tensor, "N K"], frame: Float[Tensor, "N K"]) -> None:
        sums = torch.stack([window.sum(0), frame.sum(0), torch.full_like(window[0], len(window))])
        if world_size() > 1:
            distributed.all_reduce(sums)
        for centre, total in zip((self.window_centre, self.frame_centre), sums[:2], strict=True):
            centre.lerp_(total / sums[2], 1 - self.config.centre)


class Prototypes(nn.Module):
    """A head whose last layer compares directions: cosines with so many prototypes.

    Args:
        dim: width of what comes in.
        widths: widths of the layers before the prototypes.
        count: number of prototypes.

    >>> Prototypes(8, [16, 4], 32)(torch.randn(3, 5, 8)).shape
    torch.Size([3, 5, 32])
    """

    def __init__(self, dim: int, widths: list[int], count: int) -> None:
        super().__init__()
        self.layers = mlp([dim, *widths], batch_norm=False)
        self.prototypes = nn.Parameter(torch.randn(count, widths[-1]))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B K"]:
        """Cosines with every prototype."""
        return functional.normalize(self.layers(x), dim=-1) @ functional.normalize(self.prototypes, dim=1).T


def cross_entropy(student: Float[Tensor, "*B K"], teacher: Float[Tensor, "*B K"]) -> Float[Tensor, "*B"]:
    """Cross-entropy of two distributions from their logits, in float32; nothing flows to the teacher.

    >>> round(float(cross_entropy(torch.zeros(4), torch.tensor([9.0, 0.0, 0.0, 0.0]))), 4)
    1.3863
    """
    return -(teacher.detach().float().softmax(-1) * student.float().log_softmax(-1)).sum(-1)


def _mean_of(x: Float[Tensor, "N T *K"], valid: Bool[Tensor, "N T"]) -> Float[Tensor, "N *K"]:
    """Mean over the valid positions of each item; 0 where there are none."""
    mask = valid.reshape(*valid.shape, *[1] * (x.ndim - 2))
    return x.masked_fill(~mask, 0.0).sum(1) / mask.sum(1).clamp(min=1)

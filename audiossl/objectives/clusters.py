"""Joint clustering of frames and clips, one encoder for both (arXiv 2212.01893)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder, Frames
from audiossl.models.sequence_transformer import SequenceTransformer
from audiossl.objectives.augmentations import AugmentationConfig, augment
from audiossl.objectives.contrast import gather
from audiossl.objectives.loss import Loss
from audiossl.objectives.objective import Objective
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.pgl import IN_PLACE
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.swapped_clusters import predict_code, sinkhorn
from audiossl.objectives.two_views import TwoViews, mlp
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class ClustersConfig:
    """Views, heads, prototypes, transformer and weights.

    Attributes:
        changes: changes that a view gets, in this order: of noise, scale, rotate and negate, which leave every sample at its
            time.
        augmentations: strength of the changes; its `kinds` and `per_view` are for `drawn_clips`.
        drawn_clips: whether the second clip gets changes drawn from `augmentations`, which may move samples in time, in the place
            of `changes`: clips need not keep time.
        projector: widths of the layers between a frame, or a clip, and the prototypes; ReLU between them.
        batch_norm: normalise hidden layers of the projectors over the batch, as SwAV does.
        frames: frames of each window that are clustered, at even distances; short windows give some more than once.
        prototypes, clip_prototypes: number of clusters of frames and of clips.
        temperature: temperature of predictions.
        epsilon, iterations: options of Sinkhorn's codes.
        freeze_steps: steps during which prototypes stay as they are drawn; 313 in the paper.
        width, layers, heads: sizes of the transformer.
        hide_least, hide_most: share of frames that are hidden from the transformer, drawn between them.
        frame_weight, clip_weight, masked_weight: weights of the three losses.

    Raises:
        ConfigError: for a number out of range.

    >>> ClustersConfig(prototypes=32).temperature
    0.1
    """

    changes: list[str] = field(default_factory=lambda: ["scale", "noise"])
    augmentations: AugmentationConfig = field(default_factory=AugmentationConfig)
    drawn_clips: bool = False
    projector: list[int] = field(default_factory=lambda: [128, 128])
    batch_norm: bool = False
    frames: int = 8
    prototypes: int = 64
    clip_prototypes: int = 64
    temperature: float = 0.1
    epsilon: float = 0.05
    iterations: int = 3
    freeze_steps: int = 100
    width: int = 128
    layers: int = 2
    heads: int = 4
    hide_least: float = 0.1
    hide_most: float = 0.5
    frame_weight: float = 1.0
    clip_weight: float = 1.0
    masked_weight: float = 1.0

    def __post_init__(self) -> None:
        if unknown := sorted({*self.changes} - {*IN_PLACE}):
            raise ConfigError(f"expected changes that leave samples at their times, {', '.join(IN_PLACE)}, got '{unknown[0]}'")
        require_widths("projector", self.projector, fewest=1)
        for name in (
            "frames", "prototypes", "clip_prototypes", "temperature", "epsilon", "iterations", "width", "layers", "heads",
        ):  # fmt: skip
            require_positive(name, getattr(self, name))
        if self.width % self.heads or self.width % 2:
            raise ConfigError(f"expected an even width that the heads divide, got {self.width} and {self.heads}")
        if not 0 < self.hide_least <= self.hide_most < 1:
            raise ConfigError(f"expected shares with 0 < hide_least <= hide_most < 1, got {self.hide_least}, {self.hide_most}")
        if min(self.freeze_steps, self.frame_weight, self.clip_weight, self.masked_weight) < 0:
            raise ConfigError("expected freeze_steps and weights of at least 0")


class Clusters(Objective[Encoder, WindowBatch]):
    """Frames and clips of two views predict each other's clusters, and a transformer predicts hidden frames.

    `frame`: frames of two views of a window, which leave every sample at its time, predict each other's code over prototypes.
    `clip`: the same of the mean output of a transformer over the frames. The mean frame, which is what the encoder gives for a
    clip when it is used alone, predicts these codes as well, so that one encoder serves frames and clips. Where a batch brings
    partners, the second clip is the partner. `masked`: some frames are hidden from the transformer, which predicts them; squared
    error of frames scaled to mean 0 and deviation 1, through which nothing flows. Codes are Sinkhorn's, over all ranks.

    Args:
        encoder: encoder of the windows, which is trained.
        config: views, heads, prototypes, transformer and weights.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> loss = Clusters(encoder)(WindowBatch.of(torch.randn(4, 6, 64)))
    >>> loss.weight, sorted(loss.parts)
    (4.0, ['clip', 'frame', 'masked'])
    """

    Config = ClustersConfig

    steps: Tensor

    def __init__(self, encoder: Encoder, config: ClustersConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config = config or ClustersConfig()
        out = config.projector[-1]
        self.transformer = SequenceTransformer(encoder.dim, width=config.width, num_layers=config.layers, num_heads=config.heads)
        self.frame_head = mlp([encoder.dim, *config.projector], config.batch_norm)
        self.clip_head = mlp([config.width, *config.projector], config.batch_norm)
        self.mean_head = mlp([encoder.dim, *config.projector], config.batch_norm)
        self.predictor = nn.Linear(config.width, encoder.dim)
        self.hidden_frame = nn.Parameter(0.02 * torch.randn(encoder.dim))
        self.frame_prototypes = nn.Parameter(torch.randn(config.prototypes, out))
        self.clip_prototypes = nn.Parameter(torch.randn(config.clip_prototypes, out))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows."""
        first, second = (self.encoder(self._view(batch.signal, batch.lengths, batch, i), batch.lengths) for i in (0, 1))
        config, clip = self.config, second
        if batch.partner is not None and batch.partner_lengths is not None:
            clip = self._second_clip(batch.partner, batch.partner_lengths, batch)
        elif config.drawn_clips:
            clip = self._second_clip(batch.signal, batch.lengths, batch)
        with torch.autocast(batch.signal.device.type, enabled=False):
            terms = {
                "frame": config.frame_weight * self._frame_loss(first, second),
                "clip": config.clip_weight * self._clip_loss(first, clip),
                "masked": config.masked_weight * self._masked_loss(first, batch),
            }
        return TwoViews.as_loss(terms, len(batch.ids))

    def before_step(self, step: int, seconds: float) -> None:
        """Note how far training is, which decides whether prototypes learn."""
        self.steps.fill_(step)

    def _second_clip(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"], batch: WindowBatch) -> Frames:
        return self.encoder(self._view(signal, lengths, batch, 2, drawn=self.config.drawn_clips), lengths)

    def _view(
        self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"], batch: WindowBatch, number: int, *, drawn: bool = False
    ) -> Float[Tensor, "B C L"]:
        key, changes = (batch.seed, batch.epoch, number), None if drawn else self.config.changes
        return augment(signal, lengths, batch.ids, key, self.config.augmentations, changes)

    def _scores(self, rows: Float[Tensor, "N D"], prototypes: Float[Tensor, "K D"]) -> Float[Tensor, "N K"]:
        if self.training and int(self.steps) < self.config.freeze_steps:
            prototypes = prototypes.detach() + 0 * prototypes  # their gradient is zero, and not missing
        return functional.normalize(rows, dim=1) @ functional.normalize(prototypes, dim=1).T

    def _frame_loss(self, first: Frames, second: Frames) -> Float[Tensor, ""]:
        rows = [gather(self.frame_head(even_frames(frames, self.config.frames).flatten(0, 1))) for frames in (first, second)]
        scores = [self._scores(row, self.frame_prototypes) for row in rows]
        return self._swapped(scores, scores)

    def _clip_loss(self, first: Frames, second: Frames) -> Float[Tensor, ""]:
        clips, means = [], []
        for frames in (first, second):
            outputs = self.transformer(frames.last.float(), frames.last_lengths)
            clip = self.clip_head(mean_frame(Frames.from_layers([outputs], frames.last_lengths)))
            clips.append(self._scores(gather(clip), self.clip_prototypes))
            means.append(self._scores(gather(self.mean_head(mean_frame(frames))), self.clip_prototypes))
        return (self._swapped(clips, clips) + self._swapped(means, clips)) / 2

    def _swapped(self, scores: list[Float[Tensor, "N K"]], coded: list[Float[Tensor, "N K"]]) -> Float[Tensor, ""]:
        """Predict the code of either view from the scores of the other."""
        config = self.config
        codes = [sinkhorn(of_view, config.epsilon, config.iterations) for of_view in coded]
        forth = predict_code(scores[0], codes[1], config.temperature)
        return (forth + predict_code(scores[1], codes[0], config.temperature)) / 2

    def _masked_loss(self, frames: Frames, batch: WindowBatch) -> Float[Tensor, ""]:
        """Squared error of each window's hidden frames, mean over windows; 0 for windows of a frame."""
        values, lengths = frames.last.float(), frames.last_lengths
        hidden = self._hidden(lengths, values.shape[1], batch)
        known = torch.where(hidden[..., None], self.hidden_frame, values)
        predicted = self.predictor(self.transformer(known, lengths))
        target = functional.layer_norm(values.detach(), values.shape[2:])
        error = (predicted - target).square().mean(2).masked_fill(~hidden, 0.0)
        return (error.sum(1) / hidden.sum(1).clamp(min=1)).mean()

    def _hidden(self, lengths: Int[Tensor, "B"], size: int, batch: WindowBatch) -> Bool[Tensor, "B {size}"]:
        """Which frames are hidden, drawn from (seed, epoch, id); one at least stays."""
        hidden = torch.zeros(len(lengths), size, dtype=torch.bool)
        for row, (id_, length) in enumerate(zip(batch.ids, lengths.tolist(), strict=True)):
            generator = derive_generator(batch.seed, batch.epoch, id_, "hidden")
            share = float(torch.rand((), generator=generator)) * (self.config.hide_most - self.config.hide_least)
            count = min(max(1, round((self.config.hide_least + share) * length)), length - 1)
            hidden[row, torch.randperm(length, generator=generator)[: max(0, count)]] = True
        return hidden.to(lengths.device)


def even_frames(frames: Frames, count: int) -> Float[Tensor, "B {count} D"]:
    """Frames of each item at even distances, in float32, as many of each.

    >>> ramp = torch.arange(6.0).reshape(1, 6, 1)
    >>> even_frames(Frames.from_layers([ramp], torch.tensor([4])), 2).flatten().tolist()
    [1.0, 3.0]
    """
    shares = (torch.arange(count, device=frames.last.device) + 0.5) / count
    places = (shares * frames.last_lengths[:, None]).floor().long().clamp(max=frames.last.shape[1] - 1)
    return frames.last.float().gather(1, places[..., None].expand(-1, -1, frames.last.shape[2]))

"""CAST: contrast of crops that keep what is active, and attention that lies there (arXiv 2012.04630)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Encoder, Frames
from audiossl.objectives.activity import activity_mask
from audiossl.objectives.frame_decoder import share_of_frames
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.momentum_contrast import MomentumContrast, MomentumContrastConfig
from audiossl.objectives.option_checks import require_positive
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator

TRIES = 20  # crops that are drawn before the one that keeps most is taken


@dataclass
class CASTConfig(MomentumContrastConfig):
    """Views, heads, queue, moving average, crops and weights.

    Attributes:
        shortest: share of a view that a crop has at least.
        keep: share of a view's active samples that a crop has to hold.
        smoothing: seconds that the energy is averaged over, to find what is active.
        threshold: factor on the mean energy of a view, from which on a sample is active.
        contrast_weight, attention_weight: beta and alpha.

    Raises:
        ConfigError: for a number out of range.

    >>> CASTConfig(queue=512).attention_weight
    3.0
    """

    temperature: float = 0.07
    shortest: float = 0.5
    keep: float = 0.2
    smoothing: float = 0.1
    threshold: float = 1.0
    contrast_weight: float = 1.0
    attention_weight: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("smoothing", self.smoothing)
        require_positive("threshold", self.threshold)
        if not (0 < self.shortest <= 1 and 0 <= self.keep <= 1):
            raise ConfigError(f"expected shortest above 0 and keep of 0 to 1, both at most 1, got {self.shortest}, {self.keep}")
        if min(self.contrast_weight, self.attention_weight) < 0 or not self.contrast_weight + self.attention_weight:
            got = f"{self.contrast_weight} and {self.attention_weight}"
            raise ConfigError(f"expected contrast_weight and attention_weight of at least 0, and not both 0, got {got}")


class CAST(MomentumContrast):
    """Crops of two views that keep a share of what is active find each other, and the query looks at what is active.

    Active is where the short-time energy of a view is above its mean. `contrast` is InfoNCE of the query with its key and a
    queue. For `attention` the key is encoded once more, silenced where nothing is active; the gradient of its similarity with the
    query by the query's frames weighs their channels (Grad-CAM). The weighted sum of each frame, without its negative part and
    scaled to 0 to 1, is to agree with the share of the frame that is active: 1 - cos over the frames of each crop. (Published:
    over the flattened batch, where one window changes the loss of another.) Silenced keys are not put into the queue. The loss is
    (beta contrast + alpha attention) / (alpha + beta).

    Args:
        encoder: encoder of the windows, which is trained; keys come from a moving average of it.
        config: views, heads, queue, moving average, crops and weights.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> loss = CAST(encoder, CASTConfig(queue=8))(WindowBatch.of(torch.randn(4, 6, 64), rate=50))
    >>> loss.weight, sorted(loss.parts)
    (4.0, ['attention', 'contrast'])
    """

    Config = CASTConfig

    def __init__(self, encoder: Encoder, config: CASTConfig | None = None) -> None:
        config = config or CASTConfig()
        super().__init__(encoder, config)
        self.options = config

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows; it needs gradients inside, also where none are kept."""
        options, count = self.options, float(len(batch.ids))
        (first, active), (second, active_key) = (self._crop(view, batch, i) for i, view in enumerate(self.views(batch)))
        frames, query = self.query(*first)
        keys = self.key(*second)[1]
        silenced = self.key(second[0] * active_key[:, None], second[1])[1]
        with torch.autocast(query.device.type, enabled=False):
            contrast = self.queue.contrast(query, keys, options.temperature).sum()
            wanted = share_of_frames(active, frames, first[1], self.encoder)
            seen = grad_cam(frames, lambda pooled: functional.cosine_similarity(self.projector(pooled), silenced, dim=1))
            attention = (1 - agreement(seen, wanted, frames.last_lengths)).sum()
        self.take_in(keys)
        both = options.contrast_weight + options.attention_weight
        terms = {
            "contrast": options.contrast_weight / both * contrast,
            "attention": options.attention_weight / both * attention,
        }
        parts = {name: Ratio(term.detach(), count) for name, term in terms.items()}
        return Loss(torch.stack(list(terms.values())).sum(), count, parts)

    def _crop(
        self, view: tuple[Float[Tensor, "B C L"], Int[Tensor, "B"]], batch: WindowBatch, number: int
    ) -> tuple[tuple[Float[Tensor, "B C L2"], Int[Tensor, "B"]], Bool[Tensor, "B L2"]]:
        """A crop of every view that keeps what is active, by draws from (seed, epoch, id, view), and what of it is active."""
        signal, lengths = view
        active = activity_mask(signal, lengths, max(1, round(self.options.smoothing * batch.rate)), self.options.threshold)
        crops, sizes = torch.zeros_like(signal), torch.zeros_like(lengths)
        masks = torch.zeros_like(active)
        for row, (id_, length) in enumerate(zip(batch.ids, lengths.tolist(), strict=True)):
            generator = derive_generator(batch.seed, batch.epoch, id_, "crop", number)
            least = min(length, max(self.encoder.min_samples, round(self.options.shortest * length), 1))
            start, size = draw_crop(active[row, :length].cpu(), least, self.options.keep, generator)
            crops[row, :, :size] = signal[row, :, start : start + size]
            masks[row, :size] = active[row, start : start + size]
            sizes[row] = size
        return (crops, sizes), masks


def draw_crop(active: Bool[Tensor, "L"], least: int, keep: float, generator: torch.Generator) -> tuple[int, int]:
    """Draw start and size of a crop of at least `least` samples that holds a share `keep` of the active ones.

    After some tries without one, the crop that held most of them is taken.
    """
    length = len(active)
    before = functional.pad(active.cumsum(0), (1, 0)).tolist()
    best = (-1, 0, length)
    for a, b in torch.rand(TRIES, 2, generator=generator).tolist():
        size = least + int(a * (length - least + 1))
        start = int(b * (length - size + 1))
        kept = before[start + size] - before[start]
        if kept >= keep * before[-1]:
            return start, size
        best = max(best, (kept, start, size))
    return best[1:]


def grad_cam(frames: Frames, similarity: Callable[[Float[Tensor, "B D"]], Float[Tensor, "B"]]) -> Float[Tensor, "B T"]:
    """What each frame adds to a similarity of the mean frame, without what it takes away, scaled to 0 to 1 in each item.

    The gradient that weighs channels is part of the graph, so that what is seen can be trained. It stops at the frames.

    Args:
        frames: frames of a batch.
        similarity: similarity of each item from its mean frame.
    """
    values = frames.last.float()
    valid = ~padding_mask(frames.last_lengths, values.shape[1])
    values = values.masked_fill(~valid[..., None], 0.0)
    outside = torch.is_grad_enabled()
    with torch.enable_grad():
        given = values if values.requires_grad else values.detach().requires_grad_()
        pooled = mean_frame(Frames.from_layers([given], frames.last_lengths))
        slope = torch.autograd.grad(similarity(pooled).sum(), pooled, create_graph=outside)[0]
    # The mean gives every frame the same slope, divided by their number, which scaling takes out.
    seen = (values * slope[:, None]).sum(2).clamp(min=0)
    low = seen.masked_fill(~valid, torch.inf).amin(1, keepdim=True).clamp(max=torch.finfo(seen.dtype).max)
    high = seen.masked_fill(~valid, 0.0).amax(1, keepdim=True)
    return ((seen - low) / (high - low).clamp(min=1e-12)).masked_fill(~valid, 0.0)


def agreement(seen: Float[Tensor, "B T"], wanted: Float[Tensor, "B T"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B"]:
    """Cosine over the valid frames of each item; 0 where nothing is seen or wanted.

    >>> agreement(torch.tensor([[0.0, 1.0, 9.0]]), torch.tensor([[0.0, 0.5, 0.0]]), torch.tensor([2])).tolist()
    [1.0]
    """
    valid = ~padding_mask(lengths, seen.shape[1])
    return functional.cosine_similarity(seen * valid, wanted * valid, dim=1)

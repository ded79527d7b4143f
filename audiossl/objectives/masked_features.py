"""Masked prediction of the features themselves: what tokens of a teacher are held against."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.lengths import padding_mask
from audiossl.models.student import FeatureStudent
from audiossl.objectives.batch import TokenBatch
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.masked_prediction import MaskedPrediction, MaskedPredictionConfig, TokenStream


class MaskedFeatures(MaskedPrediction):
    """Regress the features of a signal from its masked features, by a linear layer and the squared error.

    The targets of a frame are the feature frames that it covers, laid side by side; every bin has zero mean and unit variance
    over the clip. `Loss.total` weighs masked and other frames as `MaskedTokens` does, the error of a frame is the mean over bins.

    Args:
        student: encoder to train, see `MaskedPrediction`.
        num_bins: bins of a feature frame.
        config: masks and loss.
    """

    def __init__(self, student: FeatureStudent, num_bins: int, config: MaskedPredictionConfig | None = None) -> None:
        super().__init__(student, config)
        self.head = nn.Linear(student.dim, num_bins * self.features_per_frame)

    @classmethod
    def from_streams(
        cls, student: FeatureStudent, streams: Mapping[str, TokenStream], config: MaskedPredictionConfig
    ) -> MaskedFeatures:
        """Build it as a recipe asks for it; the streams are not used."""
        return cls(student, student.num_mel_bins, config)

    def forward(self, batch: TokenBatch) -> Loss:
        """Mask, encode, regress; tokens of the batch are not used."""
        seen = self.encode_masked(batch)
        target = self._targets(seen.features, seen.feature_lengths, seen.frames.shape[1])
        with torch.autocast(seen.frames.device.type, enabled=False):
            error = (self.head(seen.frames.float()) - target).square().mean(-1)
        weight = seen.weight * seen.valid
        parts = {"masked_share": Ratio((seen.masked & seen.valid).sum().float(), seen.valid.sum().float())}
        for where, chosen in (("masked", seen.masked & seen.valid), ("unmasked", ~seen.masked & seen.valid)):
            parts[f"error_{where}"] = Ratio(error.detach()[chosen].sum(), chosen.sum().float())
        return Loss((weight * error).sum(), float(weight.sum()), parts)

    def _targets(self, features: Float[Tensor, "B F M"], lengths: Int[Tensor, "B"], size: int) -> Float[Tensor, "B {size} _"]:
        """The normalised feature frames under each student frame; zeros beyond the end of a clip."""
        valid = ~padding_mask(lengths, features.shape[1])[:, :, None]
        count = lengths[:, None, None]
        mean = (features * valid).sum(1, keepdim=True) / count
        centred = (features - mean) * valid
        normal = centred / (centred.square().sum(1, keepdim=True) / count).sqrt().clamp(min=1e-3)
        shifted = normal[:, self.first_feature :]
        missing = size * self.features_per_frame - shifted.shape[1]
        shifted = F.pad(shifted, (0, 0, 0, max(0, missing)))[:, : size * self.features_per_frame]
        return shifted.unflatten(1, (size, self.features_per_frame)).flatten(2)

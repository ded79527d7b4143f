"""What enhancement and separation share: masks on the mixture's spectrum, and how signals are compared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.errors import DataError, import_extra
from audiossl.evaluation.superb.heads.masking import (
    SpectrumMasks,
    any_order_mask_loss,
    fit_frames,
    phase_sensitive_targets,
    scale_invariant_sdr,
    signal_of,
    spectrum,
)
from audiossl.evaluation.superb.tables import Clip
from audiossl.evaluation.superb.task import Batch, Counts, RateTask
from audiossl.lengths import pad_stack
from audiossl.signals.audio import read_audio

RATE = 16000


class MaskedSpectra(RateTask[dict[str, float]]):
    """Paths of the sources in `source_columns`, below the table's folder, as long as the mixture."""

    source_columns: ClassVar[tuple[str, ...]]

    def read_vocabulary(self) -> None:
        """See that every source is there, and what measures them.

        Raises:
            DataError: if a source is not.
            MissingExtraError: if a package that a metric needs is not.
        """
        for metric, package in (("pesq", "pesq"), ("stoi", "pystoi")):
            if metric in self.metrics:
                import_extra(package, "superb")
        for split in self.splits:
            for clip in self.clips(split):
                for column in self.source_columns:
                    if not (self.folder / clip.values[column]).is_file():
                        raise DataError(f"{self.folder / f'{split}.csv'}: {clip.id}: {clip.values[column]} is missing")

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """Bidirectional LSTMs; the spectra's hop is the encoder's stride."""
        self.hop = round(stride)
        if abs(stride - self.hop) > 1e-6:
            raise DataError(f"{self.name} wants whole samples of 16 kHz audio a frame, this encoder has {stride:g}")
        return SpectrumMasks(dim, len(self.source_columns), hidden)

    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """Squared error of magnitudes with phase-sensitive targets, in the best order of sources."""
        signals = [self._signals(clip) for clip in batch.clips]
        lengths = torch.tensor([signal.shape[1] // self.hop + 1 for signal in signals])
        spectra = [spectrum(signal, self.hop) for signal in signals]
        mixture = pad_stack([item[0] for item in spectra])[0].to(batch.features.device)
        sources = pad_stack([item[1:].transpose(0, 1) for item in spectra])[0].transpose(1, 2).to(batch.features.device)
        masks = head(fit_frames(batch.features, int(lengths.max())), lengths)
        return any_order_mask_loss(masks, mixture, phase_sensitive_targets(mixture, sources), lengths.to(masks.device))

    def predict(self, head: nn.Module, batch: Batch) -> list[dict[str, float]]:
        """The metrics of each clip."""
        found = []
        for row, clip in enumerate(batch.clips):
            signals = self._signals(clip)
            mixture = spectrum(signals[0], self.hop)
            features = fit_frames(batch.features[row : row + 1, : batch.lengths[row]], len(mixture))
            masks = head(features, torch.tensor([len(mixture)]))[0].cpu()
            made = signal_of(masks * mixture, self.hop, signals.shape[1])
            found.append(self._compare(signals[0], signals[1:], made))
        return found

    def count(self, predictions: Mapping[str, dict[str, float]], split: str) -> dict[str, Counts]:
        """Means over clips."""
        whole = {clip.id: 1.0 for clip in self.clips(split)}
        return {metric: Counts({id_: predictions[id_][metric] for id_ in whole}, whole) for metric in self.metrics}

    def _compare(self, mixture: Float[Tensor, "S"], truth: Float[Tensor, "N S"], made: Float[Tensor, "N S"]) -> dict[str, float]:
        orders = [list(order) for order in permutations(range(len(truth)))]
        ratios = torch.stack([scale_invariant_sdr(made[order], truth).mean() for order in orders])
        made = made[orders[int(ratios.argmax())]]
        values = {"si_sdri": float(ratios.max() - scale_invariant_sdr(mixture.expand_as(truth), truth).mean())}
        for metric, measure in (("pesq", _pesq), ("stoi", _stoi)):
            if metric in self.metrics:
                values[metric] = float(np.mean([measure(one, other) for one, other in zip(truth, made, strict=True)]))
        return values

    def _signals(self, clip: Clip) -> Float[Tensor, "M S"]:
        """The mixture and its sources."""
        paths = (str(clip.path), *(str(self.folder / clip.values[column]) for column in self.source_columns))
        signals = [_read(path) for path in paths]
        size = min(map(len, signals))
        if max(map(len, signals)) - size > RATE // 10:
            raise DataError(
                f"{clip.path}: its sources are {[len(signal) for signal in signals[1:]]} samples long, not {len(signals[0])}"
            )
        return torch.stack([signal[:size] for signal in signals])


@lru_cache(maxsize=512)
def _read(path: str) -> Tensor:
    return read_audio(Path(path), RATE)[0]


def _pesq(truth: Float[Tensor, "S"], made: Float[Tensor, "S"]) -> float:
    """Wide-band PESQ (ITU-T P.862.2); that of silence is the scale's lowest, 1.0."""
    pesq = import_extra("pesq", "superb")
    try:
        return float(pesq.pesq(RATE, truth.numpy(), made.numpy(), "wb"))
    except pesq.NoUtterancesError:
        return 1.0


def _stoi(truth: Float[Tensor, "S"], made: Float[Tensor, "S"]) -> float:
    return float(import_extra("pystoi", "superb").stoi(truth.numpy(), made.numpy(), RATE))

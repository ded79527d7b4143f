"""Mixtures of recordings for denoising and token mixing (WavLM, arXiv 2110.13900; SPEAR, arXiv 2510.25955).

What is mixed with what is drawn from (seed, epoch, item id) before any signal is read, so that batches can be planned by the
length of the mixtures, and a resumed run meets the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator
from audiossl.signals.corpora.corpus import Corpus, CorpusItem

SILENCE = 1e-10  # mean power below which a signal cannot be brought to a ratio


@dataclass
class MixingConfig:
    """How often and how loud something is mixed in; no mixing by default.

    Attributes:
        probability: share of utterances that are mixed with something.
        noise_share: share of the mixtures that gets noise; the others get a second utterance.
        noise_snr: dB, of noise; drawn evenly.
        utterance_snr: dB, of a second utterance; drawn evenly.
        tokens: whether to take, in the overlap, each target code from the second utterance with its share of the power (token
            mixing). The second utterance may then end after the first, and the mixture is as long as both. Otherwise targets stay
            those of the first utterance, and the second covers `overlap` of it, inside it (batch mixing).
        max_offset: seconds by which the second utterance starts after the first at most, with `tokens`.
        overlap: least and largest share of the first utterance that a second one covers, without `tokens`.
        noise_overlap: the same for noise.
        other_probability: share of the recordings of other domains that get noise.
    """

    probability: float = 0.0
    noise_share: float = 0.8
    noise_snr: tuple[float, float] = (10.0, 20.0)
    utterance_snr: tuple[float, float] = (-5.0, 5.0)
    tokens: bool = True
    max_offset: float = 2.0
    overlap: tuple[float, float] = (0.2, 0.5)
    noise_overlap: tuple[float, float] = (1.0, 1.0)
    other_probability: float = 0.0

    def __post_init__(self) -> None:
        for name in ("probability", "noise_share", "other_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"mixing.{name} is a probability, got {getattr(self, name)}")
        for name in ("overlap", "noise_overlap"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ConfigError(f"mixing.{name} is a range of shares above 0 and up to 1, got {low} to {high}")
        for name in ("noise_snr", "utterance_snr"):
            low, high = getattr(self, name)
            if low > high:
                raise ConfigError(f"mixing.{name} is a range from low to high, got {low} to {high}")


@dataclass(frozen=True)
class Mixture:
    """What an item is mixed with.

    Attributes:
        other: the noise or second utterance.
        snr: dB of the first over the second.
        offset: samples by which the second starts after the first.
        first, size: samples of the second that are used.
        swap_tokens: whether targets are mixed too.
    """

    other: CorpusItem
    snr: float
    offset: int
    first: int
    size: int
    swap_tokens: bool

    @property
    def share(self) -> float:
        """Share of the second in the power of the mixture, 1 / (1 + 10^(snr / 10))."""
        return 1 / (1 + 10 ** (self.snr / 10))


def draw_mixture(
    item: CorpusItem,
    config: MixingConfig,
    utterances: Sequence[CorpusItem],
    noises: Sequence[CorpusItem],
    sample_rate: int,
    key: tuple[int | str, ...],
    is_utterance: bool = True,
) -> Mixture | None:
    """Draw what an item is mixed with; None for nothing.

    Args:
        item: the first, or primary, recording.
        config: how often and how loud.
        utterances: what a second utterance is drawn from; the item itself and others of its recording are passed over.
        noises: what noise is drawn from.
        sample_rate: Hz of `num_samples` of all items.
        key: key of the draws, such as (seed, epoch, item id).
        is_utterance: False for recordings of another domain: they only get noise, with `other_probability`.
    """
    generator = derive_generator(*key, "mixing")
    drawn = torch.rand(6, generator=generator, dtype=torch.float64).tolist()
    if drawn[0] >= (config.probability if is_utterance else config.other_probability):
        return None
    wants_noise = not is_utterance or drawn[1] < config.noise_share
    pool = noises if wants_noise else utterances
    if not pool:
        return None
    other = pool[int(drawn[2] * len(pool))]
    if other.recording == item.recording:
        return None
    low, high = config.noise_snr if wants_noise else config.utterance_snr
    snr = low + (high - low) * drawn[3]
    if not wants_noise and config.tokens:
        latest = min(round(config.max_offset * sample_rate), item.num_samples)
        return Mixture(other, snr, int(drawn[4] * latest), 0, other.num_samples, True)
    low, high = config.noise_overlap if wants_noise else config.overlap
    size = max(1, round((low + (high - low) * drawn[4]) * item.num_samples))
    if not wants_noise:
        size = min(size, other.num_samples)
    offset = int(drawn[5] * (item.num_samples - size + 1))
    spare = max(0, other.num_samples - size)
    first = int(torch.randint(spare + 1, (), generator=generator))
    return Mixture(other, snr, offset, first, size, False)


def mix(first: Float[Tensor, "S"], second: Float[Tensor, "_"], snr: float, offset: int) -> Float[Tensor, "_"]:
    """Add a second signal to a first one at a ratio of mean powers; as long as both, never cut.

    Args:
        first: primary signal.
        second: what is mixed in.
        snr: dB, of the mean power of the whole first over that of the whole second.
        offset: samples by which the second starts later.
    """
    power, other_power = first.square().mean(), second.square().mean()
    mixed = first.new_zeros(max(len(first), offset + len(second)))
    mixed[: len(first)] = first
    if float(power) > SILENCE and float(other_power) > SILENCE:
        mixed[offset : offset + len(second)] += (power * 10 ** (-snr / 10) / other_power).sqrt() * second
    return mixed


class MixedCorpus(Corpus):
    """A corpus whose items are read as mixtures; their lengths are those of the mixtures.

    Args:
        corpus: corpus of the items.
        mixtures: what an item is mixed with, by its id; others are read as they are.
        noise: another corpus that noise is read from.
    """

    def __init__(self, corpus: Corpus, mixtures: Mapping[str, Mixture], noise: Corpus | None = None) -> None:
        self.mixtures, self.corpus, self.noise = mixtures, corpus, noise
        self._alone = {item.id: item for item in corpus.items if item.id in mixtures}
        super().__init__([self._mixed(item) for item in corpus.items], corpus.sample_rate, None, corpus.folder)

    def read(self, item: CorpusItem, first: int = 0, num_samples: int | None = None) -> Float[Tensor, "S"]:
        """Read an item, mixed, or `num_samples` of it from sample `first` on.

        Raises:
            DataError: if one of the two files has become unreadable or shorter since the corpus was built.
        """
        mixture = self.mixtures.get(item.id)
        if mixture is None:
            return self.corpus.read(item, first, num_samples)
        alone = self._alone[item.id]
        source = self.corpus if mixture.swap_tokens or self.noise is None else self.noise
        size = min(mixture.size, mixture.other.num_samples)
        other = source.read(mixture.other, mixture.first, size)
        if size < mixture.size:  # noise shorter than what it covers goes round
            other = other.repeat(-(-mixture.size // size))[: mixture.size]
        mixed = mix(self.corpus.read(alone), other, mixture.snr, mixture.offset)
        return mixed[first:][:num_samples]

    def _mixed(self, item: CorpusItem) -> CorpusItem:
        mixture = self.mixtures.get(item.id)
        if mixture is None:
            return item
        samples = max(item.num_samples, mixture.offset + mixture.size)
        return replace(item, num_samples=samples, duration=samples / self.corpus.sample_rate)

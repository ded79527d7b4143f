"""Mixtures: ratios of power, lengths, shares of what is drawn, and reading them from a corpus."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch

from audiossl.errors import ConfigError
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.mixing import MixedCorpus, MixingConfig, draw_mixture, mix


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    folder = tmp_path_factory.mktemp("mixing")
    items = []
    for name, seconds, domain in (("a", 2.0, "speech"), ("b", 3.0, "speech"), ("n", 0.5, "audio"), ("m", 8.0, "audio")):
        noise = np.random.default_rng(ord(name)).normal(0, 0.05, int(16000 * seconds))
        soundfile.write(folder / f"{name}.wav", noise, 16000)
        items.append(Item(name, folder / f"{name}.wav", custom={"domain": domain}))
    build_corpus(items, folder / "corpus", progress=False)
    return Corpus.open(folder / "corpus")


def sides(corpus):
    return ([item for item in corpus if item.custom["domain"] == domain] for domain in ("speech", "audio"))


@pytest.mark.parametrize(("snr", "share"), [(0.0, 0.5), (-5.0, 0.76), (5.0, 0.24)])
def test_ratio_of_powers_and_share(snr, share, corpus):
    first, second = torch.randn(8000), 7 * torch.randn(6000)
    mixed = mix(first, second, snr, 5000)
    assert len(mixed) == 11000 and torch.equal(mixed[:5000], first[:5000])
    added = mixed.clone()
    added[:8000] -= first
    ratio = 10 * math.log10(float(first.square().mean() / added[5000:].square().mean()))
    assert ratio == pytest.approx(snr, abs=1e-3)
    speech, audio = sides(corpus)
    config = MixingConfig(1.0, 0.0, utterance_snr=(snr, snr))
    mixture = draw_mixture(speech[0], config, [speech[1]], audio, 16000, ("k",))
    assert mixture is not None and mixture.share == pytest.approx(share, abs=0.005)


def test_silence_stays_alone():
    first = torch.randn(100)
    assert torch.equal(mix(first, torch.zeros(50), 0.0, 0), first)
    assert torch.equal(mix(torch.zeros(100), torch.ones(50), 0.0, 0), torch.zeros(100))


def test_shares_of_the_paper_and_what_they_hold(corpus):
    speech, audio = sides(corpus)
    config = MixingConfig(probability=0.5)
    drawn = [draw_mixture(speech[0], config, [speech[1]], audio, 16000, (1, epoch, "a")) for epoch in range(4000)]
    noise = [mixture for mixture in drawn if mixture and not mixture.swap_tokens]
    second = [mixture for mixture in drawn if mixture and mixture.swap_tokens]
    assert abs(len(noise) / 4000 - 0.4) < 0.03 and abs(len(second) / 4000 - 0.1) < 0.02
    assert all(10 <= mixture.snr <= 20 and mixture.other in audio for mixture in noise)
    assert all(mixture.offset == 0 and mixture.size == speech[0].num_samples for mixture in noise)
    assert all(-5 <= mixture.snr <= 5 and 0 <= mixture.offset <= 32000 for mixture in second)
    assert max(mixture.offset for mixture in second) > 24000
    assert drawn == [draw_mixture(speech[0], config, [speech[1]], audio, 16000, (1, epoch, "a")) for epoch in range(4000)]


def test_batch_mixing_stays_inside_and_keeps_targets(corpus):
    speech, audio = sides(corpus)
    config = MixingConfig(probability=1.0, noise_share=0.5, tokens=False, noise_overlap=(0.2, 0.8))
    for epoch in range(300):
        mixture = draw_mixture(speech[0], config, [speech[1]], audio, 16000, (1, epoch, "a"))
        assert mixture is not None and not mixture.swap_tokens
        share = mixture.size / speech[0].num_samples
        assert 0.199 < share < (0.801 if mixture.other in audio else 0.501)
        assert mixture.offset + mixture.size <= speech[0].num_samples


def test_recordings_of_other_domains_only_get_noise(corpus):
    speech, audio = sides(corpus)
    config = MixingConfig(probability=1.0, noise_share=0.0, other_probability=0.5)
    drawn = [draw_mixture(audio[0], config, speech, [audio[1]], 16000, (1, e, "n"), is_utterance=False) for e in range(1000)]
    assert abs(sum(mixture is not None for mixture in drawn) / 1000 - 0.5) < 0.05
    assert all(mixture.other is audio[1] for mixture in drawn if mixture)
    # Nothing is mixed with its own recording.
    assert draw_mixture(speech[0], config, [speech[0]], audio, 16000, ("k",)) is None


def test_a_mixed_corpus_reads_what_was_drawn(corpus):
    speech, audio = sides(corpus)
    second = draw_mixture(speech[0], MixingConfig(1.0, 0.0), [speech[1]], audio, 16000, ("one",))
    noise = draw_mixture(speech[1], MixingConfig(1.0, 1.0), [speech[0]], [audio[0]], 16000, ("two",))
    assert second is not None and noise is not None
    mixed = MixedCorpus(corpus, {"a": second, "b": noise})
    by_id = {item.id: item for item in mixed.items}
    alone = {item.id: corpus.read(item) for item in corpus.items}
    assert by_id["a"].num_samples == max(32000, second.offset + 48000)
    read = mixed.read(by_id["a"], 0, by_id["a"].num_samples)
    assert torch.equal(read, mix(alone["a"], alone["b"], second.snr, second.offset))
    assert torch.equal(mixed.read(by_id["a"], 100, 50), read[100:150])
    round_and_round = alone["n"].repeat(6)  # 0.5 s of noise for 3 s
    assert torch.equal(mixed.read(by_id["b"]), mix(alone["b"], round_and_round, noise.snr, 0))
    assert torch.equal(mixed.read(by_id["m"]), alone["m"])


@pytest.mark.parametrize("options", [{"probability": 1.2}, {"overlap": (0.0, 0.5)}, {"noise_snr": (20.0, 10.0)}])
def test_impossible_options_are_named(options):
    with pytest.raises(ConfigError, match=f"mixing.{next(iter(options))}"):
        MixingConfig(**options)

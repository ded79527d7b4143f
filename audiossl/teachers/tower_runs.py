"""How a clip is given to an audio tower: one function for each way of calling, each of (tower, extractor, clip).

A clip is (S,), on the device of the tower; what comes back is the output of the tower, (1, T, D) or (T, D).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from audiossl.teachers.foreign import Foreign

Clip = Float[Tensor, "S"]


def keywords(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """What the extractor gives is what the model takes."""
    return tower(**_extracted(extractor, clip)).last_hidden_state


def padded_keywords(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Mel frames of the clip and of silence up to the positions of the tower."""
    return tower(input_features=_padded_mel(tower, extractor, clip)["input_features"]).last_hidden_state


def qwen2_audio(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """As the model that it is published in calls it: no frame attends to the silence behind the clip."""
    mel = _padded_mel(tower, extractor, clip)
    valid = (int(mel["attention_mask"].sum()) - 1) // 2 + 1
    size = int(tower.config.max_source_positions)
    mask = torch.zeros(1, 1, 1, size, device=clip.device)
    mask[..., valid:] = torch.finfo(torch.float32).min
    return tower(mel["input_features"], attention_mask=mask.expand(1, 1, size, size)).last_hidden_state


def audio_flamingo(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """With the mask of valid mel frames."""
    mel = _padded_mel(tower, extractor, clip)
    return tower(mel["input_features"], input_features_mask=mel["attention_mask"]).last_hidden_state


def qwen_omni(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Mel frames without padding, and their number."""
    mel = _extracted(extractor, clip, padding=False, truncation=False, return_attention_mask=True)
    lengths = mel["attention_mask"].sum(-1)
    return tower(mel["input_features"][0, :, : int(lengths)], feature_lens=lengths).last_hidden_state


def granite(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Pairs of log-mel frames."""
    return tower(extractor([clip.cpu()])["input_features"].to(clip.device)).last_hidden_state


def gemma3n(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Mel frames, and the mask of those that are padding."""
    extractor.dither = 0.0  # noise, drawn from numpy's global generator
    mel = _extracted(extractor, clip)
    return tower(mel["input_features"], ~mel["input_features_mask"].bool()).last_hidden_state


def gemma4(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Mel frames, and the mask of valid ones."""
    extractor.dither = 0.0
    made = extractor([clip.cpu().numpy()], return_tensors="pt")
    valid = made["input_features_mask"].bool()
    mel = made["input_features"][:, : int(valid.sum())].to(clip.device)
    return tower(mel, valid[:, : mel.shape[1]].to(clip.device)).last_hidden_state


def clap(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """One vector for every piece of the length of the model; the last one is repeated up to it, and left out below 10 ms."""
    pieces = [piece for piece in clip.split(int(extractor.nb_max_samples)) if len(piece) >= int(extractor.sampling_rate) // 100]
    return torch.cat([tower(**_extracted(extractor, piece)).pooler_output for piece in pieces])


def clap_options(config: Foreign) -> dict[str, object]:
    """Fused models read four spectrograms, others one."""
    return {"truncation": "fusion" if config.enable_fusion else "rand_trunc", "feature_size": config.num_mel_bins}


def spectrogram_transformer(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """A spectrogram, padded to the length of the model."""
    return mean_of_bands(keywords(tower, extractor, clip), tower.config)


def mean_of_bands(tokens: Float[Tensor, "B N D"], config: Foreign) -> Float[Tensor, "B T D"]:
    """Drop the two class tokens, and take the mean of the patches at one time."""
    patch, stride = config.patch_size, config.frequency_stride
    bands = (int(config.num_mel_bins) - (patch if isinstance(patch, int) else patch[0])) // int(stride) + 1
    return tokens[:, 2:].unflatten(1, (bands, -1)).mean(1)


def without_class_token(tokens: Float[Tensor, "B N D"], config: Foreign) -> Float[Tensor, "B T D"]:
    """Drop the class token in front."""
    return tokens[:, 1:]


def mimi(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Latents before they are quantised."""
    return tower.encoder(clip[None, None]).latents.mT


def encodec(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Latents before they are quantised, of a clip of one loudness where the model was trained so."""
    if tower.config.normalize:
        clip = clip / (clip.square().mean().sqrt() + 1e-8)
    stereo = clip.expand(1, int(tower.config.audio_channels), -1)
    return tower.encoder(stereo).mT


def dac(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Latents before they are quantised."""
    hop = int(tower.config.hop_length)
    return tower.encoder(F.pad(clip, (0, -len(clip) % hop))[None, None]).mT


def xcodec(tower: Foreign, extractor: Foreign, clip: Clip) -> Tensor:
    """Acoustic and semantic latents, joined, before they are quantised."""
    hop = int(tower.config.hop_length)
    signal = F.pad(clip, (0, -len(clip) % hop))[None, None]
    semantic = tower.encoder_semantic(tower._extract_semantic_features(signal).mT)
    acoustic = tower.acoustic_encoder(signal)
    if acoustic.shape[2] != semantic.shape[2]:
        acoustic = tower.acoustic_encoder(F.pad(signal, (tower.pad, tower.pad)))
    return tower.fc(torch.cat([acoustic, semantic], 1).mT)


def _extracted(extractor: Foreign, clip: Clip, **options: object) -> dict[str, Tensor]:
    rate = int(extractor.sampling_rate)
    made = extractor(clip.cpu().numpy(), sampling_rate=rate, return_tensors="pt", **options)
    return {name: value.to(clip.device) for name, value in made.items()}


def _padded_mel(tower: Foreign, extractor: Foreign, clip: Clip) -> dict[str, Tensor]:
    longest = int(tower.config.max_source_positions) * 2 * int(extractor.hop_length)
    return _extracted(extractor, clip, max_length=longest, return_attention_mask=True)

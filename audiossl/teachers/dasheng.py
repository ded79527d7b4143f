"""Dasheng, the masked autoencoder of general audio (Apache-2.0), rebuilt in torch so that its weights run without torchaudio."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.encoder_names import Wanted
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.models.encoder import Encoder, Frames

NUM_MELS, FFT, HOP, PATCH, MAX_HZ = 64, 512, 160, 4, 8000
SAMPLES_PER_FRAME = HOP * PATCH


class Published(NamedTuple):
    """Sizes of a published model and the address of its weights, as version 0.0.9 of the `dasheng` wheel names them."""

    dim: int
    depth: int
    num_heads: int
    address: str


_RECORD = "https://zenodo.org/records/11511780/files"
PUBLISHED = {
    "dasheng_base": Published(768, 12, 12, f"{_RECORD}/dasheng_base.pt?download=1"),
    "dasheng_06B": Published(1280, 32, 16, f"{_RECORD}/dasheng_06b.pt?download=1"),
    "dasheng_12B": Published(1536, 40, 24, f"{_RECORD}/dasheng_12b.pt?download=1"),
}

# What this module builds and what a checkpoint's config may say otherwise; wrong ones would not all show in tensor shapes.
FIXED = {
    "n_mels": NUM_MELS, "n_fft": FFT, "win_size": FFT, "hop_size": HOP, "f_min": 0, "f_max": MAX_HZ, "center": True,
    "patch_size": [NUM_MELS, PATCH], "patch_stride": [NUM_MELS, PATCH], "norm_layer": None, "act_layer": None,
    "block_type": "Block", "attention_type": "Attention",
}  # fmt: skip
# Beginning of a name in a checkpoint -> beginning of the name here; all other names are the same.
RENAMED = {
    "front_end.0.spectrogram.window": "mel.window",
    "front_end.0.mel_scale.fb": "mel.filters",
    "init_bn.1.": "mel_norm.",
    "patch_embed.proj.": "patches.",
}


class DashengEncoder(nn.Module):
    """Masked autoencoder of general audio, up to 1.2 B parameters: 16 kHz in, 25 Hz out.

    Layer 0 is the input of the first block, layer i the output of block i; the last has the final norm, as the published model
    returns it. So layer 40 of `dasheng_12B` is SPEAR's audio teacher (arXiv 2510.25955).

    Every clip runs alone: the published model reflects the end of the padded batch, floors decibels below the loudest frame of
    the batch and attends to padding. A clip of n samples gives n // 640 frames. Where n leaves 480 samples or more over, the
    published model has a patch more; attention sees it here too, but it is not returned (SPEAR's rule).

    Attention and positions span `target_length` mel frames (10.08 s). Longer clips are cut there after the mel spectrogram, and
    each piece starts at position 0 and sees only itself, as in the published model.

    Args:
        dim: width.
        depth: number of blocks.
        num_heads: attention heads.
        target_length: mel frames (10 ms) that attention spans; whole patches of 4.
        mlp_dim: inner width of the feed-forward; 4 * dim by default.
        top_db: decibels below the loudest mel value of a clip at which values are floored.
        last_layer: the highest layer to compute, which is then also the final output.

    Source: arXiv 2406.06992 and the `dasheng` wheel 0.0.9.

    Raises:
        ConfigError: for sizes that do not fit together, or a layer that does not exist.

    >>> encoder = DashengEncoder(dim=16, depth=1, num_heads=2)
    >>> encoder(torch.randn(1, 1, 6400), torch.tensor([6400])).last.shape
    torch.Size([1, 10, 16])
    """

    sample_rate = 16000.0
    frame_rate = last_frame_rate = 16000.0 / SAMPLES_PER_FRAME
    frame_offset = (PATCH - 1) / 2 * HOP / 16000.0
    min_samples = alignment = SAMPLES_PER_FRAME
    runs_unequally = True  # once for each piece of each clip of a batch

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        target_length: int = 1008,
        mlp_dim: int | None = None,
        top_db: float = 120.0,
        last_layer: int | None = None,
    ) -> None:
        super().__init__()
        if dim % num_heads or target_length % PATCH or target_length < PATCH:
            raise ConfigError(
                f"expected a width that {num_heads} heads divide and a target length in whole patches of {PATCH}, "
                f"got dim={dim} and target_length={target_length}"
            )
        self.last_layer = depth if last_layer is None else last_layer
        if not 0 <= self.last_layer <= depth:
            raise ConfigError(f"this Dasheng has layers 0 to {depth}; layer {last_layer} was asked for")
        self.num_layers = self.last_layer + 1
        self.dim, self.num_heads = dim, num_heads
        self.chunk = target_length // PATCH
        self.mel = _MelDecibels(top_db)
        self.mel_norm = nn.BatchNorm1d(NUM_MELS)
        self.patches = nn.Conv2d(1, dim, (NUM_MELS, PATCH), stride=(NUM_MELS, PATCH))
        self.time_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, self.chunk))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, 1))
        self.blocks = nn.ModuleList(_Block(dim, num_heads, mlp_dim or 4 * dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.eval().requires_grad_(False)

    @classmethod
    def from_name(cls, name: str, data_root: Path | None = None, last_layer: int | None = None) -> DashengEncoder:
        """Load a published model by name, fetching its weights once, or a model from a checkpoint file.

        The addresses are those in the wheel. No published file has been loaded with this code yet: it was compared with the
        wheel's model on random weights.

        Args:
            name: `dasheng_base`, `dasheng_06B`, `dasheng_12B`, or the path of a file for `from_checkpoint`.
            data_root: folder of files that were downloaded by hand, see `audiossl.signals.fetch.fetch`.
            last_layer: the highest layer to compute.

        Raises:
            ConfigError: if the name is not known and no such file exists, or there is no such layer.
            DataError: if the weights cannot be fetched.
            StoreError: if the file does not hold the model.
        """
        if name not in PUBLISHED:
            if not Path(name).is_file():
                raise ConfigError(f"'{name}' is neither a checkpoint file nor one of {', '.join(PUBLISHED)}")
            return cls.from_checkpoint(Path(name), last_layer=last_layer)
        from audiossl.signals.fetch import fetch, parse_source

        published = PUBLISHED[name]
        source = f"url:{published.address}"
        path = fetch(source, data_root=data_root) / parse_source(source).name
        encoder = cls.from_checkpoint(path, published.num_heads, last_layer)
        if (encoder.dim, len(encoder.blocks)) != (published.dim, published.depth):
            raise StoreError(
                f"{path} holds {len(encoder.blocks)} blocks of width {encoder.dim}, expected the {published.depth} of width "
                f"{published.dim} of {name}; fetch it again"
            )
        return encoder

    @classmethod
    def from_checkpoint(cls, path: Path, num_heads: int | None = None, last_layer: int | None = None) -> DashengEncoder:
        """Load a checkpoint in the published layout: `model`, tensors by name, and `config`, the options of the encoder.

        Sizes are read off the tensors; no code of the file is run.

        Args:
            path: the file.
            num_heads: attention heads, which no tensor shows; by default those of the published model of this width and depth,
                whatever the config says (the wheel does the same), else the config's.
            last_layer: the highest layer to compute.

        Raises:
            StoreError: if the file cannot be read, its config asks for what is not built here, or keys are unknown, missing or
                of wrong shapes; the message names them.
            ConfigError: if there is no such layer, or the heads do not divide the width.
        """
        state, config = _read_checkpoint(path)
        _, dim, _, chunk = state["time_pos_embed"].shape
        depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
        if num_heads is None:
            known = [sizes.num_heads for sizes in PUBLISHED.values() if (sizes.dim, sizes.depth) == (dim, depth)]
            num_heads = int(known[0] if known else config.get("num_heads", 8))  # 8 where the config is silent, as in the wheel
        length, top_db = config.get("target_length", 1008), config.get("top_db", 120)
        if length // PATCH != chunk:
            raise StoreError(f"{path}: its config has target_length {length}, but {chunk} positions of {PATCH} frames are stored")
        with torch.device("meta"):
            encoder = cls(
                dim,
                depth,
                num_heads,
                target_length=chunk * PATCH,
                mlp_dim=len(state["blocks.0.mlp.fc1.weight"]),
                top_db=math.inf if top_db is None else float(top_db),
                last_layer=last_layer,
            )
        _fill(encoder, state, path)
        return encoder

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode 16 kHz mono audio, one clip at a time.

        Raises:
            DataError: if there is not one channel, or a clip is shorter than a frame (640 samples).
        """
        if signal.shape[1] != 1:
            raise DataError(f"Dasheng reads mono audio, got {signal.shape[1]} channels; average them first")
        if int(lengths.min()) < self.min_samples:
            raise DataError(f"Dasheng needs at least {self.min_samples} samples per clip, got {int(lengths.min())}")
        num_frames = lengths // SAMPLES_PER_FRAME
        size = int(num_frames.max())
        per_clip = [
            F.pad(self._layers(clip[:, :length])[:, :own], (0, 0, 0, size - own))
            for clip, length, own in zip(signal, lengths.tolist(), num_frames.tolist(), strict=True)
        ]
        return Frames.from_layers(list(torch.stack(per_clip, dim=1).type_as(signal)), num_frames)

    def _layers(self, clip: Float[Tensor, "1 S"]) -> Float[Tensor, "L T D"]:
        with torch.autocast(clip.device.type, enabled=False):
            mel, norm = self.mel(clip.float()), self.mel_norm
            # The statistics are frozen, in training mode too.
            mel = F.batch_norm(mel, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        patches = self.patches(mel[:, None])  # (1, D, 1, T)
        return torch.cat([self._chunk_layers(chunk) for chunk in patches.split(self.chunk, dim=-1)], dim=1)

    def _chunk_layers(self, patches: Float[Tensor, "1 D 1 T"]) -> Float[Tensor, "L T D"]:
        placed = patches + self.time_pos_embed[..., : patches.shape[-1]] + self.freq_pos_embed
        layers = [placed.flatten(2).transpose(1, 2)]
        for block in self.blocks[: self.last_layer]:
            layers.append(block(layers[-1]))
        if self.last_layer == len(self.blocks):
            layers[-1] = self.norm(layers[-1])
        return torch.cat(layers)


class _MelDecibels(nn.Module):
    """Mel power in decibels as torchaudio's MelSpectrogram and AmplitudeToDB give it for one clip.

    Periodic Hann window, clip reflected at both ends without its edge sample, power spectrum; triangles between points that are
    equally spaced in mel = 2595 log10(1 + f / 700), of height 1 in Hz; 10 log10 of at least 1e-10.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, top_db: float) -> None:
        super().__init__()
        self.top_db = top_db
        self.register_buffer("window", torch.hann_window(FFT))
        # Float32 from the mel points on, as in torchaudio.
        points = torch.linspace(0, 2595 * math.log10(1 + MAX_HZ / 700), NUM_MELS + 2)
        points = 700 * (10 ** (points / 2595) - 1)
        bins = torch.linspace(0, MAX_HZ, FFT // 2 + 1)[:, None]
        rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
        falling = (points[2:] - bins) / (points[2:] - points[1:-1])
        self.register_buffer("filters", torch.minimum(rising, falling).clamp_min(0))  # (257, 64)

    def forward(self, clip: Float[Tensor, "1 S"]) -> Float[Tensor, "1 M T"]:
        spectrum = torch.stft(clip, FFT, HOP, window=self.window, center=True, pad_mode="reflect", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        decibels = 10.0 * (power.transpose(1, 2) @ self.filters).transpose(1, 2).clamp_min(1e-10).log10()
        return decibels.clamp_min(decibels.max() - self.top_db)


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, inner)
        self.fc2 = nn.Linear(inner, dim)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Module):
    """Pre-norm attention and feed-forward (arXiv 2010.11929)."""

    def __init__(self, dim: int, num_heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _FeedForward(dim, mlp_dim)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read as a checkpoint of plain tensors and values ({reason})") from error
    state, config = (checkpoint.get(key) if isinstance(checkpoint, dict) else None for key in ("model", "config"))
    if not isinstance(config, dict) or not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise StoreError(f"{path} has no 'model' of tensors and 'config' at its top level; expected a Dasheng checkpoint")
    positions = state.get("time_pos_embed")
    if not isinstance(positions, Tensor) or positions.ndim != 4:
        raise StoreError(f"{path} has no 'time_pos_embed' of shape (1, D, 1, T) in its 'model'; expected a Dasheng encoder")
    if "blocks.0.mlp.fc1.weight" not in state:
        raise StoreError(f"{path} has no blocks: 'blocks.0.mlp.fc1.weight' is missing from its 'model'")
    odd = [f"{key}={config[key]!r}" for key, value in FIXED.items() if key in config and _plain(config[key]) != value]
    if odd:
        raise StoreError(f"{path}: its config has {', '.join(odd)}, which this encoder does not build")
    return state, config


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value


def _fill(encoder: DashengEncoder, state: dict[str, Tensor], path: Path) -> None:
    """Put the tensors of a checkpoint into an encoder on the meta device, so that it is allocated once."""
    wanted = {_public_name(name): (name, tensor.shape) for name, tensor in encoder.state_dict().items()}
    shapes = [
        f"{name} {tuple(state[name].shape)}, expected {tuple(shape)}"
        for name, (_, shape) in wanted.items()
        if name in state and state[name].shape != shape
    ]
    found = {
        "unknown keys": sorted(state.keys() - wanted.keys()),
        "missing keys": sorted(wanted.keys() - state.keys()),
        "wrong shapes": shapes,
    }
    problems = [
        f"{len(names)} {what}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        for what, names in found.items()
        if names
    ]
    if problems:
        raise StoreError(f"{path} does not hold this Dasheng encoder. {'; '.join(problems)}.")
    tensors = {ours: state[name] for name, (ours, _) in wanted.items()}
    for name, table in _MelDecibels(0.0).state_dict(prefix="mel.").items():
        if tensors[name].dtype != torch.float32:  # of a checkpoint in half precision: computed, not read, so not rounded
            tensors[name] = table
    encoder.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}, assign=True
    )
    encoder.eval().requires_grad_(False)


def _public_name(name: str) -> str:
    for public, ours in RENAMED.items():
        if name.startswith(ours):
            return public + name.removeprefix(ours)
    return name


def load_named(wanted: Wanted) -> Encoder:
    """`dasheng:NAME`, see `audiossl.encoder_names`."""
    return DashengEncoder.from_name(wanted.name, wanted.data_root, wanted.last_layer)

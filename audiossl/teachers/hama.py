"""The phoneme Conformer of the `hama` wheel (Apache-2.0), rebuilt in torch with its hidden layers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from audiossl.encoder_names import Wanted
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Encoder, Frames

DIM, HEADS, KERNEL, BLOCKS, HOP, FFT = 144, 4, 31, 4, 160, 400
SOURCE = "pypi:hama==1.7.0"
WEIGHTS_FILE = "hama/assets/asr_waveform.hama"
MAGIC, ALIGNMENT = b"HAMAPK", 16


class HamaConformer(nn.Module):
    """Supervised phoneme encoder, 2 M parameters: 16 kHz in, 144-d at 50 Hz out; a front end and four blocks.

    Masked keys, masked convolutions and per-clip reflection at the edges: a clip gives the same frames alone and in a batch, up
    to the rounding of float32 products of another shape (measured 3e-5 at most, where frames reach 30; 6e-14 in float64).
    Attention is global and knows no positions, so keep inputs under about 20 s.

    Args:
        weights: tensors by name, from `read_weights`.
        last_layer: highest layer to compute; 2 saves half of the work where only block 2 is read.

    Raises:
        ConfigError: for a layer that does not exist.

    >>> HamaConformer({}, last_layer=9)
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: hama has layers 0 (front end) to 4; layer 9 was asked for
    """

    sample_rate = 16000.0
    frame_rate = 50.0
    last_frame_rate = 50.0
    frame_offset = 0.0
    dim = DIM
    min_samples = FFT // 2 + 1
    alignment = 320

    dft: Tensor
    mel: Tensor

    def __init__(self, weights: dict[str, Tensor], last_layer: int = BLOCKS) -> None:
        super().__init__()
        if not 0 <= last_layer <= BLOCKS:
            raise ConfigError(f"hama has layers 0 (front end) to {BLOCKS}; layer {last_layer} was asked for")
        self.num_layers = last_layer + 1
        # The exporter named the matrices after their place in the graph: six products per block in order of use; a front
        # convolution, then one depthwise convolution per block.
        products = [tensor for name, tensor in weights.items() if name.startswith("onnx::MatMul")]
        convolutions = [tensor for name, tensor in weights.items() if name.startswith("onnx::Conv")]
        kernels = torch.cat([weights["stft_real_kernel"], weights["stft_imag_kernel"]])
        self.register_buffer("dft", kernels.flatten(1).T.contiguous())  # (400, 402)
        self.register_buffer("mel", weights["mel_fb"])
        self.front = nn.Conv1d(len(weights["mel_fb"][0]), DIM, 3, stride=2, padding=1)
        _fill(self.front, *convolutions[:2])
        self.blocks = nn.ModuleList()
        for index in range(last_layer):
            prefix = f"acoustic_model.model.blocks.{index}."
            named = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
            depthwise = convolutions[2 + 2 * index : 4 + 2 * index]
            self.blocks.append(_ConformerBlock(named, products[6 * index : 6 * index + 6], depthwise))
        self.eval().requires_grad_(False)

    @classmethod
    def from_wheel(cls, data_root: Path | None = None, last_layer: int = BLOCKS) -> HamaConformer:
        """Fetch the wheel with the user's own pip and load the encoder from it; nothing of the wheel is imported."""
        from audiossl.signals.fetch import fetch

        return cls(read_weights(fetch(SOURCE, data_root=data_root) / WEIGHTS_FILE), last_layer)

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode 16 kHz mono audio; a clip of n samples gives n // 320 + 1 frames.

        Raises:
            DataError: if a clip is too short to be reflected at its edges.
        """
        if int(lengths.min()) < self.min_samples:
            raise DataError(f"hama needs at least {self.min_samples} samples per clip, got {int(lengths.min())}")
        mel, mel_lengths = self._log_mel(signal[:, 0], lengths)
        frame_lengths = (mel_lengths - 1) // 2 + 1
        hidden = F.gelu(self.front(mel.transpose(1, 2))).transpose(1, 2)
        padding = padding_mask(frame_lengths, hidden.shape[1])
        layers = [hidden]
        for block in self.blocks:
            layers.append(block(layers[-1], padding))
        return Frames.from_layers(layers, frame_lengths)

    def _log_mel(
        self, signal: Float[Tensor, "B S"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B T M"], Int[Tensor, "B"]]:
        num_frames = lengths // HOP + 1
        size = int(num_frames.max())
        # Reflect each clip at its own edges, without repeating the edge sample.
        position = (torch.arange((size - 1) * HOP + FFT, device=signal.device)[None, :] - FFT // 2).abs()
        last = lengths[:, None] - 1
        position = torch.where(position > last, 2 * last - position, position).clamp_min(0)
        spectrum = signal.gather(1, position).unfold(1, FFT, HOP) @ self.dft
        real, imaginary = spectrum.square().chunk(2, dim=-1)
        mel = torch.log(((real + imaginary) @ self.mel).clamp_min(1e-10))
        # The front convolution pads a lone clip with zeros.
        return mel.masked_fill(padding_mask(num_frames, size)[..., None], 0.0), num_frames


class _FeedForward(nn.Module):
    def __init__(self, weights: dict[str, Tensor], name: str, first: Tensor, second: Tensor) -> None:
        super().__init__()
        self.norm = _layer_norm(weights, f"{name}.norm")
        self.fc1 = _linear(first.T, weights[f"{name}.fc1.bias"])
        self.fc2 = _linear(second.T, weights[f"{name}.fc2.bias"])

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.fc2(F.silu(self.fc1(self.norm(x))))


class _ConformerBlock(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, norm (arXiv 2005.08100)."""

    def __init__(self, weights: dict[str, Tensor], products: list[Tensor], depthwise: list[Tensor]) -> None:
        super().__init__()
        self.ffn1 = _FeedForward(weights, "ffn1", *products[0:2])
        self.attention_norm = _layer_norm(weights, "attn_norm")
        self.attention_in = _linear(products[2].T, weights["attn.in_proj_bias"])
        self.attention_out = _linear(products[3].T, weights["attn.out_proj.bias"])
        self.conv_norm = _layer_norm(weights, "conv.norm")
        self.pointwise1 = _linear(weights["conv.pointwise1.weight"][..., 0], weights["conv.pointwise1.bias"])
        self.depthwise = nn.Conv1d(DIM, DIM, KERNEL, padding=KERNEL // 2, groups=DIM)
        _fill(self.depthwise, *depthwise)
        self.pointwise2 = _linear(weights["conv.pointwise2.weight"][..., 0], weights["conv.pointwise2.bias"])
        self.ffn2 = _FeedForward(weights, "ffn2", *products[4:6])
        self.norm = _layer_norm(weights, "norm")

    def forward(self, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        x = x + 0.5 * self.ffn1(x)
        batch, size, _ = x.shape
        heads = self.attention_in(self.attention_norm(x)).view(batch, size, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, attn_mask=~padding[:, None, None, :])
        x = x + self.attention_out(mixed.transpose(1, 2).flatten(2))
        gated = F.glu(self.pointwise1(self.conv_norm(x)), -1).masked_fill(padding[..., None], 0.0)
        x = x + self.pointwise2(F.silu(self.depthwise(gated.transpose(1, 2))).transpose(1, 2))
        return self.norm(x + 0.5 * self.ffn2(x))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a `.hama` weights file into float32 tensors by name, in file order.

    Layout: 8-byte magic and version, u32 count, then per tensor u16 name length, name, u8 type (0 float32, 1 float16), u8 rank,
    u32 dims, u64 offset, u64 bytes; the data begin at the next multiple of 16 bytes and end at the end of the file.

    Raises:
        StoreError: if the file is missing or is not of this layout.
    """
    try:
        blob = path.read_bytes()
        (count,), at, entries = struct.unpack_from("<I", blob, 8), 12, []
        for _ in range(count):
            (size,) = struct.unpack_from("<H", blob, at)
            name = blob[at + 2 : at + 2 + size].decode()
            at += 2 + size
            kind, rank = blob[at], blob[at + 1]
            dims = struct.unpack_from(f"<{rank}I", blob, at + 2)
            at += 2 + 4 * rank
            offset, num_bytes = struct.unpack_from("<QQ", blob, at)
            at += 16
            entries.append((name, np.float16 if kind else np.float32, dims, offset, num_bytes))
        start = len(blob) - max(offset + num_bytes for *_, offset, num_bytes in entries)
        if blob[:6] != MAGIC or start != -(-at // ALIGNMENT) * ALIGNMENT:
            raise ValueError(f"its table ends at byte {at}, its data would begin at {start}")
        return {
            name: torch.from_numpy(
                np.frombuffer(blob, dtype, int(np.prod(dims)), start + offset).astype(np.float32).reshape(dims)
            )
            for name, dtype, dims, offset, _ in entries
        }
    except (OSError, struct.error, ValueError, IndexError) as error:
        raise StoreError(
            f"{path} is not a hama weights file ({error}); fetch the wheel {SOURCE.removeprefix('pypi:')} again"
        ) from error


def _fill(module: nn.Conv1d | nn.Linear | nn.LayerNorm, weight: Tensor, bias: Tensor) -> None:
    module.load_state_dict({"weight": weight, "bias": bias})


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    _fill(linear, weight, bias)
    return linear


def _layer_norm(weights: dict[str, Tensor], name: str) -> nn.LayerNorm:
    norm = nn.LayerNorm(DIM)
    _fill(norm, weights[f"{name}.weight"], weights[f"{name}.bias"])
    return norm


def load_named(wanted: Wanted) -> Encoder:
    """`hama`, see `audiossl.encoder_names`; a layer that does not exist is for the caller to refuse."""
    return HamaConformer.from_wheel(wanted.data_root, BLOCKS if wanted.last_layer is None else min(wanted.last_layer, BLOCKS))

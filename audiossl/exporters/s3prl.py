"""An encoder as an s3prl upstream, and the folder by which s3prl finds it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.sources import resampled
from audiossl.errors import ConfigError
from audiossl.exporters.source import ModelSource, is_code, model_source
from audiossl.files import read_json, whole_folder, write_json
from audiossl.load import load
from audiossl.models.encoder import Encoder
from audiossl.models.zipformer import Padding
from audiossl.version import __version__

S3PRL_RATE = 16000
DESCRIPTION, MODEL = "export.json", "model"

EXPERT = '''"""The upstream {name}: all layers of the encoder, {stride} samples of 16 kHz audio a frame."""

from audiossl.exporters.s3prl import UpstreamExpert

__all__ = ["UpstreamExpert"]
'''

HUBCONF = '''"""Entry points of the upstream {name}, as s3prl collects them."""

from pathlib import Path

from audiossl.exporters.s3prl import UpstreamExpert


def audiossl(ckpt=None, model_config=None, refresh=False, **options):
    """The encoder of this folder, or of another exported folder `ckpt`."""
    return UpstreamExpert(ckpt or Path(__file__).parent, model_config, refresh{trusted}, **options)


audiossl_local = audiossl
'''

README = """# {name} as an s3prl upstream

Written by `audiossl export s3prl {name}` (audiossl {version}); needs s3prl 0.4.18 and audiossl in one environment.
`audiossl kits make s3prl` makes one that works on a CPU.

    python -m audiossl.kits.s3prl_launcher -m s3prl.main SuperbSID --build_upstream.name audiossl \\
        --build_upstream.path_or_url {upstream} ...
    python -m audiossl.kits.s3prl_launcher run_downstream.py -m train -u audiossl -k {upstream} -d voxceleb1 -n sid

In Python:

    from audiossl.kits.s3prl_launcher import prepare_s3prl
    prepare_s3prl()
    from s3prl.nn import S3PRLUpstream
    upstream = S3PRLUpstream("audiossl", "{upstream}")

- `hidden_states`: {num_layers} layers of width {dim}, one frame every {stride} samples of 16 kHz audio; clips are run whole.
- Frames: ceil(samples of the longest clip / {stride}). Where the encoder gives fewer, the last frame of a clip is repeated.
- The encoder: {origin}.
"""


class UpstreamExpert(nn.Module):
    """All layers of an encoder by s3prl's upstream interface (s3prl 0.4.18).

    The output has `ceil(n_max / stride)` frames, n_max the samples of the longest clip at 16 kHz, which is the count that s3prl
    checks. Where the encoder gives fewer, each clip's own last frame is repeated; where it gives more, they are cut. A clip too
    short for the encoder is padded with zeros. Clips run whole, in one batch, with gradients.

    Args:
        ckpt: folder written by `export_s3prl`, or anything that `audiossl.load` takes.
        model_config: s3prl hands it on; there is none to give.
        refresh: ignored, nothing is downloaded.
        padding: "invariant" or "reference", see `audiossl.load`; by default what the folder was exported with.
        trust_code: import a class from outside the package that the folder's description names.

    Raises:
        ConfigError: if `ckpt` is missing, the folder names code that is not trusted, an option is unknown, or a frame is no whole
            number of 16 kHz samples.

    >>> upstream = UpstreamExpert("logmel")
    >>> len(upstream([torch.randn(16000)])["hidden_states"])
    1
    """

    def __init__(
        self,
        ckpt: str | Path | None = None,
        model_config: str | None = None,
        refresh: bool = False,
        padding: Padding | None = None,
        trust_code: bool = False,
        **unknown: object,
    ) -> None:
        super().__init__()
        if unknown or model_config is not None:
            names = [*unknown, *(["model_config"] if model_config is not None else [])]
            raise ConfigError(f"the upstream takes ckpt and padding only, got {', '.join(names)}")
        if ckpt is None:
            raise ConfigError(
                "expected ckpt (path_or_url, or -k): a folder that `audiossl export s3prl` wrote, or a model's name"
            )
        self.encoder = _load_exported(ckpt, padding, trust_code)
        self.stride = s3prl_stride(self.encoder)

    def get_downsample_rates(self, key: str = "hidden_states") -> int:
        """Samples of 16 kHz audio from one frame to the next, for every key."""
        return self.stride

    def forward(self, wavs: list[Float[Tensor, "_"]]) -> dict[str, Tensor | list[Tensor]]:
        """Encode unpadded 16 kHz clips into `hidden_states`, a list of (B, T, D), and `last_hidden_state`, the last of them."""
        num_frames = math.ceil(max(len(wav) for wav in wavs) / self.stride)
        rate = self.encoder.sample_rate
        if rate != S3PRL_RATE:
            wavs = [resampled(wav[None].cpu(), S3PRL_RATE, rate, "clip")[0].to(wav) for wav in wavs]
        lengths = torch.tensor([max(len(wav), self.encoder.min_samples) for wav in wavs], device=wavs[0].device)
        signal = torch.stack([nn.functional.pad(wav, (0, int(lengths.max()) - len(wav))) for wav in wavs])
        frames = self.encoder(signal[:, None], lengths)
        steps = torch.arange(num_frames, device=lengths.device)
        index = torch.minimum(steps[None], frames.lengths[:, None].to(lengths) - 1)[:, :, None]
        states = [layer.gather(1, index.expand(-1, -1, layer.shape[2])) for layer in frames.layers]
        return {"hidden_states": states, "last_hidden_state": states[-1]}


@dataclass(frozen=True)
class S3prlExport:
    """A folder that s3prl loads as an upstream: expert.py, hubconf.py, README.md and the checkpoint.

    Weights of encoders of ours are copied, so that the folder stands alone; others are loaded by their name.

    Attributes:
        padding: padding of Zipformers in batches, invariant or reference, see `audiossl.load`.

    >>> S3prlExport(padding="reference").padding
    'reference'
    """

    padding: Padding = "invariant"

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the folder.

        Raises:
            ConfigError: if the model is none of audio, or `output` holds something else.
        """
        embedder, name = source.embedder, source.embedder.name
        stride = s3prl_stride(embedder)
        if output.exists() and not (output / DESCRIPTION).is_file():
            raise ConfigError(f"{output} is there and was not written by `audiossl export s3prl`: choose another --out")
        with whole_folder(output) as partial:
            carried = source.save(partial / MODEL)
            path = MODEL if carried else source.kept(output.with_name(f"{output.name}_model"))
            write_json(partial / DESCRIPTION, {"model": path, "carried": carried, "padding": self.padding})
            facts = {
                "name": name,
                "stride": stride,
                "version": __version__,
                "folder": output,
                "num_layers": embedder.num_layers,
                "dim": embedder.dim,
                "upstream": path if source.is_code and not carried else output,
                "trusted": ", trust_code=ckpt is None" if source.is_code and not carried else "",
                "origin": f"a copy in `{MODEL}/`" if carried else f"`audiossl.load({path!r})`, not copied",
            }
            for file, text in (("expert.py", EXPERT), ("hubconf.py", HUBCONF), ("README.md", README)):
                (partial / file).write_text(text.format(**facts), encoding="utf-8")
        return output


def export_s3prl(model: str | Path | Encoder | nn.Module, folder: Path, padding: Padding = "invariant") -> Path:
    """Write a folder that s3prl loads as an upstream; see `S3prlExport`."""
    return S3prlExport(padding).write(model_source(model, padding), folder)


def s3prl_stride(encoder: Embedder) -> int:
    """Samples of 16 kHz audio between frames.

    Raises:
        ConfigError: if that is no whole number, or the encoder is none of audio.
    """
    stride = S3PRL_RATE / encoder.frame_rate
    if encoder.sample_rate < 1000 or abs(stride - round(stride)) > 1e-6:
        raise ConfigError(
            f"s3prl wants whole samples of {S3PRL_RATE} Hz audio a frame; {encoder.name} takes {encoder.sample_rate:g} Hz and "
            f"gives {encoder.frame_rate:g} frames per second"
        )
    return round(stride)


def _load_exported(ckpt: str | Path, padding: Padding | None, trust_code: bool) -> Embedder:
    description = Path(ckpt) / DESCRIPTION
    if not description.is_file():
        return load(ckpt, padding or "invariant")
    values = read_json(description)
    model = Path(ckpt) / values["model"] if values["carried"] else values["model"]
    if not trust_code and is_code(str(model)):
        raise ConfigError(
            f"{description} names code, {model}, which a folder may not make anything import: give that name as ckpt, or "
            "trust_code=True"
        )
    return load(model, padding or values["padding"], trust_code=trust_code)

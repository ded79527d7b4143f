"""An encoder for MARBLE v2 (arXiv 2306.10548), and its configurations with this encoder in the place of another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.errors import ConfigError
from audiossl.exporters.hear import require_module_path
from audiossl.exporters.source import ModelSource
from audiossl.exporters.xares import class_name
from audiossl.files import whole_file
from audiossl.load import load
from audiossl.version import __version__

WIDTHS, FRAME_RATES = ("in_dim", "hidden_size"), ("fps", "label_freq", "label_fps")
MODULE = '''"""Encoder of {name} for MARBLE v2, written by audiossl {version}, which it needs in MARBLE's environment.

In a clone of MARBLE, with the folder of this file on PYTHONPATH:

    python {file} configs/probe.MERT-v1-95M.GTZANGenre.yaml > configs/probe.{stem}.GTZANGenre.yaml
    python cli.py fit --config configs/probe.{stem}.GTZANGenre.yaml
    python cli.py test --config configs/probe.{stem}.GTZANGenre.yaml

The first line turns any of MARBLE's configurations into one for this encoder.
"""

from audiossl.exporters import marble


class {class_name}(marble.MarbleEncoder):
    """Hidden states of {layers}, frozen."""

    model = {model!r}
    layers = {options!r}
    NAME = {stem!r}
    SAMPLING_RATE = {sample_rate}  # Hz
    TOKEN_RATE = {frame_rate!r}  # frames a second
    NUM_FEATURES = {dim}
    N_TRANSFORMER_LAYERS = {num_states}  # hidden states


if __name__ == "__main__":
    marble.main({class_name}, __file__)
'''


class MarbleEncoder(nn.Module):
    """Hidden states of a frozen model, as MARBLE's `LayerSelector` and `MLPReduce` take them.

    A file that is named in a configuration as `class_path`:

        from audiossl.exporters import marble

        class MyEncoder(marble.MarbleEncoder):
            model = "runs/asterisk"

    Attributes:
        model: name, as `audiossl.load` takes it.
        layers: layers that are handed on, by default all.
        sample_rate: Hz.

    >>> import audiossl
    >>> encoder = MarbleEncoder(audiossl.load("logmel"))
    >>> [tuple(state.shape) for state in encoder(torch.zeros(2, 1, 16000))]
    [(2, 100, 80)]
    """

    model: str = "logmel"
    layers: Layers = "all"

    def __init__(self, embedder: Embedder | None = None, **_: object) -> None:
        super().__init__()
        self.embedder = embedder or load(self.model)
        if not self.embedder.takes.is_audio:
            raise ConfigError(f"MARBLE takes models of audio; {self.embedder.name} takes {self.embedder.takes}")
        self.embedder.layer_numbers(self.layers)
        self.sample_rate = int(self.embedder.sample_rate)

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.embedder.grid(self.layers)[0]

    @property
    def num_features(self) -> int:
        """Width of a hidden state."""
        return self(torch.zeros(1, self.sample_rate))[0].shape[2]

    @property
    def num_states(self) -> int:
        """Number of hidden states."""
        numbers = self.embedder.layer_numbers(self.layers)
        return 1 if numbers is None else len(numbers)

    def forward(
        self,
        x: Float[Tensor, "B S"] | Float[Tensor, "B 1 S"],
        input_len: Int[Tensor, "B"] | None = None,
        *_: object,
        **__: object,
    ) -> tuple[Float[Tensor, "B T D"], ...]:
        """Encode mono clips.

        Args:
            x: clips at `sample_rate`.
            input_len: samples of each clip; all by default.

        Returns:
            A state for each layer; frames behind the end of a clip are zero.
        """
        clips = x.flatten(1).float()
        lengths = [clips.shape[1]] * len(clips) if input_len is None else [int(length) for length in input_len]
        signals = [clip[:length] for clip, length in zip(clips, lengths, strict=True)]
        found = [one.frames for one in self.embedder.embed(signals, layers=self.layers)]
        by_time = [frames.movedim(-2, 0).reshape(frames.shape[-2], -1, frames.shape[-1]) for frames in found]
        padded = nn.utils.rnn.pad_sequence(by_time, batch_first=True).to(x.device)  # (B, T, L, D)
        return tuple(padded.unbind(2))


@dataclass(frozen=True)
class MarbleExport:
    """A file with one encoder class, which MARBLE's configurations name, and which rewrites them for itself.

    The checkpoint is not copied: the file holds where it is. An object in memory is saved to `NAME_model` next to the file.

    Attributes:
        layers: layers that are handed on: all, last, or numbers.

    >>> MarbleExport().layers
    'all'
    """

    layers: Layers = "all"

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the file; its class is named as the file, in capitals, and ends in Encoder.

        Raises:
            ConfigError: if the path is no name of a module, or the model takes no audio.
        """
        require_module_path(output, "my_encoder.py")
        kind = type("_Chosen", (MarbleEncoder,), {"layers": self.layers})
        encoder = kind(source.embedder)
        rate = encoder.frame_rate
        text = MODULE.format(
            name=source.embedder.name,
            version=__version__,
            file=output.name,
            stem=output.stem,
            class_name=class_name(output),
            layers={"all": "all layers", "last": "the final output"}.get(str(self.layers), f"layers {self.layers}"),
            model=source.kept(output.with_name(f"{output.stem}_model")),
            options=self.layers,
            sample_rate=encoder.sample_rate,
            frame_rate=int(rate) if rate == int(rate) else rate,
            dim=encoder.num_features,
            num_states=encoder.num_states,
        )
        with whole_file(output) as partial:
            partial.write_text(text, encoding="utf-8")
        return output


def adapt_config(config: Mapping[str, Any], encoder: type[MarbleEncoder], stem: str, other: str = "") -> dict[str, Any]:
    """Put an encoder in the place of another in one of MARBLE's configurations.

    The rates, widths, numbers of layers and frames a second follow it; transforms of audio that belong to the other encoder go;
    `LayerSelector` takes the last layer, which is to be chosen by validation.

    Args:
        config: what the YAML file holds.
        encoder: class in an exported file.
        stem: name of the file without its suffix; the module that MARBLE imports.
        other: name of the other encoder in folders and runs.

    Raises:
        ConfigError: if it is no such configuration, or wants whole frames a second and the encoder has others.

    >>> class Mine(MarbleEncoder):
    ...     SAMPLING_RATE, TOKEN_RATE, NUM_FEATURES, N_TRANSFORMER_LAYERS = 16000, 50, 192, 6
    >>> other = {"model": {"init_args": {"sample_rate": 24000, "encoder": {}, "decoders": [{"init_args": {"in_dim": 768}}]}}}
    >>> adapt_config(other, Mine, "mine")["model"]["init_args"]["decoders"]
    [{'init_args': {'in_dim': 192}}]
    """
    model = config.get("model", {}).get("init_args", {})
    if "encoder" not in model:
        raise ConfigError("expected a configuration of MARBLE v2, with model.init_args.encoder; such are in its folder configs")
    facts: Any = encoder
    widths = [value for key, value in _items(model) if key in WIDTHS]
    changes: dict[str, Any] = {"sample_rate": facts.SAMPLING_RATE, "num_layers": facts.N_TRANSFORMER_LAYERS}
    changes |= dict.fromkeys(FRAME_RATES, facts.TOKEN_RATE)
    if any(key in FRAME_RATES for key, _ in _items(config)) and int(facts.TOKEN_RATE) != facts.TOKEN_RATE:
        raise ConfigError(f"this task wants whole frames a second, {encoder.__name__} has {facts.TOKEN_RATE:g}")

    def adapted(value: Any, key: str = "") -> Any:
        if key == "encoder":
            return {"class_path": f"{stem}.{encoder.__name__}"}
        if key in changes:
            return changes[key]
        if key in WIDTHS:
            return facts.NUM_FEATURES if value == widths[0] else value
        if isinstance(value, Mapping):
            if str(value.get("class_path", "")).endswith(".LayerSelector"):
                return {**value, "init_args": {"layers": [facts.N_TRANSFORMER_LAYERS - 1]}}
            return {name: adapted(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [adapted(item) for item in value if not _is_of_an_encoder(item)]
        return value.replace(other, stem) if other and isinstance(value, str) else value

    return adapted(config)


def main(encoder: type[MarbleEncoder], file: str, arguments: Sequence[str] | None = None) -> None:
    """Print one of MARBLE's configurations, rewritten for an encoder.

    Args:
        encoder: class in an exported file.
        file: that file.
        arguments: the configuration's path; by default that of the command line.

    Raises:
        ConfigError: if no file is named.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1 or not Path(given[0]).is_file():
        raise ConfigError(
            f"expected python {Path(file).name} configs/probe.ENCODER.TASK.yaml, got {' '.join(given) or 'nothing'}"
        )
    path = Path(given[0])
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    other = ".".join(path.name.split(".")[1:-2])  # probe.ENCODER.TASK.yaml
    print(yaml.safe_dump(adapt_config(config, encoder, Path(file).stem, other), sort_keys=False, allow_unicode=True), end="")


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value, at any depth."""
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ():
        yield str(key), item
        yield from _items(item)


def _is_of_an_encoder(item: Any) -> bool:
    """Whether an entry of a list is a transform that belongs to an encoder of MARBLE's."""
    return isinstance(item, Mapping) and str(item.get("class_path", "")).startswith("marble.encoders.")

"""An encoder for MTEB, whose audio tasks are MAEB (arXiv 2602.16008), and the file with which MTEB loads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from audiossl.embedding.embedder import Embedder, Embedding, Layers
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.hear.model import Pooling, side_by_side
from audiossl.exporters.hear import require_module_path
from audiossl.exporters.source import ModelSource
from audiossl.files import whole_file
from audiossl.load import load
from audiossl.models.model_facts import ModelFacts
from audiossl.signals.audio import read_audio
from audiossl.version import __version__

Vectors = Float[Tensor, "*N D"] | Float[np.ndarray, "*N D"]

MODULE = '''"""{name} for MTEB, written by audiossl {version}; needs audiossl and mteb in one environment.

    import mteb
    from {stem} import MtebEncoder, meta

    mteb.evaluate(MtebEncoder.of(meta), mteb.get_tasks(tasks=["BeijingOpera"]))

`mteb.evaluate(meta, ...)` does the same where mteb[audio] is installed, which this model does not need.

Takes mono audio at {sample_rate} Hz and gives {dim} values a clip: {layers}, their {pooling} over time.
What is None below is not known to audiossl. Say it, or leave it: MTEB takes None for unknown.
"""

from mteb.models import ModelMeta

from audiossl.exporters.mteb import MtebEncoder

meta = ModelMeta(
    loader=MtebEncoder,
{fields}
)
'''
NOTES = {
    "revision": "digest of weights, config and code: other weights are refused",
    "max_tokens": "clips of any length",
    "license": 'as "apache-2.0", or an address',
    "training_datasets": 'names of MTEB, as {"AudioSet"}; set() if it saw no data of any task',
}


@runtime_checkable
class Meta(Protocol):
    """The fields of MTEB's `ModelMeta` that lead to the model."""

    name: str
    revision: str | None
    loader_kwargs: dict[str, Any]


class MtebEncoder:
    """A model by MTEB's encoder protocol: one vector for each clip, the same in any batch.

    Nothing of MTEB is imported. MTEB calls it as the loader of a `ModelMeta`.

    Args:
        model_name: name in tables of results.
        revision: digest of the model when it was exported; None takes any.
        device: device to run on; by default the CPU.
        model: whatever `audiossl.load` takes; by default `model_name`.
        layers: "last", "all" or numbers, whose vectors are concatenated.
        pooling: pooling over time, "mean" or "mean+max".

    Attributes:
        sampling_rate: Hz of the model; clips of other rates are resampled.
        mteb_model_meta: facts of the model, which MTEB puts here.

    Raises:
        ConfigError: if there is no such model, or its weights are not those that were exported.

    >>> encoder = MtebEncoder("logmel")
    >>> clip = {"array": np.zeros(8000), "sampling_rate": 8000}
    >>> encoder.encode([{"audio": [clip, clip]}]).shape
    (2, 80)
    """

    mteb_model_meta: object = None

    def __init__(
        self,
        model_name: str,
        revision: str | None = None,
        *,
        device: str | None = None,
        model: str | Embedder = "",
        layers: Layers = "last",
        pooling: Pooling = "mean",
    ) -> None:
        embedder = load(model or model_name)
        if revision is not None and revision != embedder.digest:
            raise ConfigError(
                f"{model or model_name} is not what was exported as {model_name}: its digest is {embedder.digest}, expected "
                f"{revision}. Export it again, so that no scores go under the name of other weights"
            )
        embedder.layer_numbers(layers)
        self.embedder = embedder if device is None else embedder.to(device)
        self.layers: Layers = layers
        self.pooling = pooling
        self.sampling_rate = int(embedder.sample_rate)

    @classmethod
    def of(cls, meta: Meta, device: str | None = None) -> MtebEncoder:
        """The model of a `ModelMeta`; `meta.load_model()` gives it too, but asks for what other models decode audio with."""
        model = cls(meta.name, meta.revision, device=device, **meta.loader_kwargs)
        model.mteb_model_meta = meta
        return model

    @property
    def embed_dim(self) -> int:
        """Values of a clip."""
        silence = np.zeros(self.sampling_rate, np.float32)
        return self.encode([{"audio": [{"array": silence, "sampling_rate": self.sampling_rate}]}]).shape[1]

    def encode(self, inputs: Iterable[Mapping[str, Any]], **_: object) -> Float32[np.ndarray, "N D"]:
        """Embed the clips of batches.

        Args:
            inputs: batches whose `audio` is a list of clips: `{"array", "sampling_rate"}`, decoded (S,) or (C, S), or
                `{"bytes", "path"}`, an encoded file.

        Raises:
            DataError: if a clip cannot be used; the message counts from the first clip of its batch.
        """
        return np.concatenate([self._encode(batch["audio"]) for batch in inputs])

    def similarity(self, embeddings1: Vectors, embeddings2: Vectors) -> Float[Tensor, "N M"]:
        """Cosines of all pairs."""
        return _unit(embeddings1) @ _unit(embeddings2).T

    def similarity_pairwise(self, embeddings1: Vectors, embeddings2: Vectors) -> Float[Tensor, "N"]:
        """Cosines of rows with each other."""
        return (_unit(embeddings1) * _unit(embeddings2)).sum(1)

    def _encode(self, clips: Sequence[Any]) -> Float32[np.ndarray, "N D"]:
        """The vectors of a batch; clips of one rate run together."""
        signals = [_signal(clip, number) for number, clip in enumerate(clips)]
        rows: list[np.ndarray | None] = [None] * len(signals)
        for rate in dict.fromkeys(rate for _, rate in signals):
            places = [place for place, (_, other) in enumerate(signals) if other == rate]
            found = self.embedder.embed([signals[place][0] for place in places], rate, self.layers)
            for place, embedding in zip(places, found, strict=True):
                rows[place] = self._pooled(embedding)
        return np.stack([row for row in rows if row is not None])

    def _pooled(self, embedding: Embedding) -> Float32[np.ndarray, "D"]:
        frames = side_by_side(embedding)
        parts = {"mean": lambda: frames.mean(0), "max": lambda: frames.amax(0)}
        return torch.cat([parts[part]() for part in self.pooling.split("+")]).numpy()


@dataclass(frozen=True)
class MtebExport:
    """A file whose `meta` MTEB loads: `mteb.evaluate(meta, tasks)`.

    The checkpoint is not copied: the file holds where it is. An object in memory is saved to `NAME_model` next to the file. What
    is not said here stays None, MTEB's word for unknown.

    Attributes:
        layers: last, all, or numbers such as [2, 4]; their vectors are concatenated.
        pooling: pooling over time, mean or mean+max.
        name: name in MTEB's tables, as ORGANISATION/NAME; by default audiossl/ and the name of the model.
        licence: licence of the weights, such as apache-2.0.
        training_datasets: names that MTEB has for what the model was trained on; an empty list says that it saw none of them.
        languages: codes such as eng-Latn.
        reference: address of the model's page.
        release_date: as 2026-12-01.
        open_weights: whether anybody can have the weights.
        training_code: address of the code that trained it.

    >>> MtebExport(licence="apache-2.0", training_datasets=("AudioSet",)).training_datasets
    ('AudioSet',)
    """

    layers: Layers = "last"
    pooling: Pooling = "mean"
    name: str = ""
    licence: str | None = None
    training_datasets: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    reference: str | None = None
    release_date: str | None = None
    open_weights: bool | None = None
    training_code: str | None = None

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the file.

        Raises:
            ConfigError: if the path is no name of a module, the model takes no audio, or the name lacks an organisation.
        """
        require_module_path(output, "my_encoder.py")
        embedder = source.embedder
        if not embedder.takes.is_audio:
            raise ConfigError(f"MTEB takes models of audio; {embedder.name} takes {embedder.takes}")
        if self.name and "/" not in self.name:
            raise ConfigError(f"name: expected ORGANISATION/NAME, as MTEB does, got '{self.name}'")
        place = source.kept(output.with_name(f"{output.stem}_model"))
        encoder = MtebEncoder(embedder.name, model=embedder if source.place is not None else place, layers=self.layers,
                              pooling=self.pooling)  # fmt: skip
        fields = self._facts(encoder, place)
        text = MODULE.format(
            name=embedder.name,
            version=__version__,
            stem=output.stem,
            sample_rate=encoder.sampling_rate,
            dim=fields["embed_dim"],
            layers="the final output" if self.layers == "last" else f"layers {self.layers}, side by side",
            pooling=self.pooling.replace("+", " and "),
            fields="\n".join(_line(key, value) for key, value in fields.items()),
        )
        with whole_file(output) as partial:
            partial.write_text(text, encoding="utf-8")
        return output

    def _facts(self, encoder: MtebEncoder, place: str) -> dict[str, object]:
        """The fields of `ModelMeta`."""
        known = ModelFacts.of(encoder.embedder.encoder, encoder.embedder.name).stated(self.licence, self.languages)
        weights = [*encoder.embedder.parameters(), *encoder.embedder.buffers()]
        bytes_ = sum(tensor.numel() * tensor.element_size() for tensor in weights)
        return {
            "loader_kwargs": {"model": place, "layers": self.layers, "pooling": self.pooling},
            "name": self.name or f"audiossl/{re.sub(r'[^A-Za-z0-9.-]+', '_', encoder.embedder.name).strip('_.')}",
            "revision": encoder.embedder.digest,
            "release_date": self.release_date,
            "languages": None if known.languages is None else [*known.languages],
            "n_parameters": known.parameters,
            "n_embedding_parameters": 0,  # those of a table of words
            "memory_usage_mb": round(bytes_ / 2**20, 1),
            "max_tokens": float("inf"),
            "embed_dim": encoder.embed_dim,
            "license": known.licence,
            "open_weights": self.open_weights,
            "public_training_code": self.training_code,
            "public_training_data": None,
            "framework": ["PyTorch"],
            "reference": self.reference,
            "similarity_fn_name": "cosine",
            "use_instructions": False,
            "training_datasets": None if self.training_datasets is None else {*self.training_datasets},
            "modalities": ["audio"],
        }


def _line(key: str, value: object) -> str:
    """A keyword argument as a line of Python."""
    if isinstance(value, set):
        said = f"{{{', '.join(map(repr, sorted(value)))}}}" if value else "set()"
    else:
        said = 'float("inf")' if value == float("inf") else repr(value)
    note = f"  # {NOTES[key]}" if key in NOTES else ""
    return f"    {key}={said},{note}"


def _signal(clip: Any, number: int) -> tuple[np.ndarray | Tensor, float | int]:
    """A clip of a batch as an array and its rate; a file is decoded by our own reader, which needs no FFmpeg.

    Raises:
        DataError: if it is neither.
    """
    try:
        return np.asarray(clip["array"], np.float32), float(clip["sampling_rate"])
    except (KeyError, TypeError):
        pass
    if not isinstance(clip, Mapping) or not (clip.get("bytes") or clip.get("path")):
        raise DataError(
            f"clip {number}: expected audio as array and sampling_rate, or as bytes and path, got {type(clip).__name__}"
        )
    return read_audio(clip.get("path") or f"clip {number}", data=clip.get("bytes"))


def _unit(vectors: Vectors) -> Float[Tensor, "N D"]:
    """Rows of length 1, in float32."""
    return functional.normalize(torch.atleast_2d(torch.as_tensor(vectors)).float(), dim=1)

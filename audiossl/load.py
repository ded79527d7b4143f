"""`audiossl.load`: any encoder by name, folder, class or as an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from audiossl.arguments import read_arguments
from audiossl.embedding.embedder import Embedder, WindowSeconds
from audiossl.encoder_names import ENCODERS, WRITTEN, Wanted, outside_place, parse_name
from audiossl.errors import ConfigError
from audiossl.kinds import import_place, source_digest
from audiossl.models import hub
from audiossl.models.building import make_encoder
from audiossl.models.encoder import Encoder, as_encoder
from audiossl.models.layers_up_to import LayersUpTo
from audiossl.models.run_folder import WEIGHT_SUFFIXES, encoder_folder, encoder_identity, weights_digest
from audiossl.options import nearest

__all__ = [
    "NAMES",
    "WEIGHT_SUFFIXES",
    "encoder_folder",
    "encoder_identity",
    "encoder_of",
    "load",
    "load_outside",
    "load_own",
    "weights_digest",
]

NAMES = f"a checkpoint or run folder, {WRITTEN} or a SPEAR repository such as marcoyang/spear-base-speech"


def load(
    name: str | Path | Encoder | nn.Module | type | Callable[[], object],
    padding: Literal["invariant", "reference"] = "invariant",
    *,
    window_seconds: WindowSeconds = "auto",
    trust_code: bool | str | type = False,
) -> Embedder:
    """Load an encoder and wrap it so that it embeds signals of any length.

    Names are looked up in the table of `audiossl.encoder_names` first, then as files and folders, then as `FILE.py:Class` and
    `module:Class`; `audiossl models` lists them.

    Args:
        name: a folder with `config.json` and `model.safetensors`, of any encoder that audiossl saved or a Hugging Face audio
            model; a run folder (its student or fine-tuned encoder is meant, or its only one); `logmel`; `hama`; `resemblyzer`;
            `hf:NAME` for a Hugging Face audio model; `dasheng:NAME` with dasheng_base, dasheng_06B, dasheng_12B or a checkpoint
            file; `onnx:FILE` for a graph that `audiossl export onnx` wrote, `onnx:FILE?rate=HZ` for one of others, see
            `docs/onnx.md`; a SPEAR repository on the Hugging Face hub; `module:Class` or `FILE.py:Class` of a class that is made
            without arguments, or of a function that returns an encoder, with `@FOLDER` for weights that were saved there.
            `:LAYER` after any of these ends the model at that layer. An object that meets the contract of
            `audiossl.models.encoder`, its class, or a function that returns one, is taken as well.
        padding: padding of Zipformers. `invariant` gives each clip the same frames in any batch; `reference` reproduces the
            padded batches of the published code, in which the last frames of shorter clips see padding.
        window_seconds: seconds in which longer signals are read; "auto" is 30 s, or what suits slower signals. None runs every
            signal whole, where the memory allows (see `Embedder`).
        trust_code: a folder may name a class that is not part of audiossl. It is imported only if this is True, or the class, or
            its place.

    Raises:
        ConfigError: if nothing of that name is known, an object does not meet the contract, or code is not trusted.
        StoreError: if a folder is incomplete or its weights do not fit its config.
        MissingExtraError: if the model needs an optional dependency.

    >>> import torch
    >>> model = load("logmel")
    >>> model
    Embedder('logmel': LogMelEncoder; takes audio at 16000 Hz; gives 1 layer of 80 channels at 100 Hz)
    >>> model.embed(torch.zeros(16000)).frames.shape
    torch.Size([100, 80])
    """
    if isinstance(name, Embedder):
        return name if window_seconds == "auto" else _embedder(name.encoder, name.name, window_seconds, name.source)
    if not isinstance(name, str | Path):
        return _embedder(encoder_of(name, {}, _called(name)), _called(name), window_seconds)
    text = str(name)
    known, rest, layer = parse_name(text)
    encoder = known.load(Wanted(rest, layer if known.takes_layer else None, padding=padding, trust_code=trust_code))
    if layer is not None and not known.takes_layer:
        encoder = LayersUpTo(encoder, layer, text)
    place = outside_place(text)
    source = "" if place is None else source_digest(import_place(place.where, "encoder"))
    return _embedder(encoder, text, window_seconds, source)


def encoder_of(found: object, options: Mapping[str, object], place: str) -> Any:
    """The encoder that a class, a function or an object stands for.

    Weights that are drawn when it is made are the same every time, so that one name is one encoder.

    Args:
        found: class, which is made from the options; function, which is called with them; or an encoder.
        options: options by name.
        place: what messages call it.

    Raises:
        ConfigError: for options that it does not take, or if it needs some that are not given.
    """
    if not isinstance(found, type) and hasattr(found, "sample_rate"):
        if options:
            raise ConfigError(f"{place} is an encoder already and takes no options, got {', '.join(options)}")
        return found
    if not callable(found):
        raise ConfigError(f"{place}: expected an encoder, a class or a function that returns an encoder, got {found!r:.80}")
    if isinstance(found, nn.Module):
        return found  # it lacks the contract, and whoever wraps it says what is missing
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if isinstance(found, type):
            return make_encoder(found, options, place)
        return found(**read_arguments(found, options, place))


def load_own(wanted: Wanted) -> Encoder:
    """Load an encoder of ours from a folder, file or repository, or a folder that `transformers` wrote."""
    text = wanted.name
    if text.endswith(".pt"):
        return hub.load(text, wanted.padding)
    folder = encoder_folder(Path(text))
    kind = hub.read_model_type(folder)
    if kind and not hub.is_own(kind):
        return ENCODERS["transformers"].load(Wanted(str(folder), wanted.last_layer))
    if (folder / hub.CONFIG).is_file():
        return hub.load(folder, wanted.padding, trust_code=wanted.trust_code)
    refuse_unknown(text)
    if Path(text).exists():
        raise ConfigError(_unknown(text))
    return hub.load(text, wanted.padding, trust_code=wanted.trust_code)


def refuse_unknown(text: str) -> None:
    """Refuse what is neither a file or folder nor spelled like a repository, before anything is loaded.

    Raises:
        ConfigError: with the nearest known name.
    """
    if not Path(text).exists() and text.count("/") != 1:
        raise ConfigError(_unknown(text))


def _unknown(text: str) -> str:
    names = [encoder.kind for encoder in ENCODERS.values() if not encoder.takes_name]
    return f"'{text}' holds no config.json and is not a known name{nearest(text, names)}; expected {NAMES}"


def load_outside(wanted: Wanted) -> Any:
    """Make an encoder of a class that the caller names, with weights from a folder where one is named as well.

    Raises:
        ConfigError: if there is no such class, it is no encoder, or options are wrong.
    """
    place = outside_place(wanted.name)
    assert place is not None  # the table sends no other name here
    found = import_place(place.where, "encoder")
    if not place.folder:
        return encoder_of(found, wanted.options, place.where)
    if wanted.options:
        raise ConfigError(f"{wanted.name} says in its folder what it is made from; leave out {', '.join(wanted.options)}")
    encoder = hub.load(encoder_folder(Path(place.folder)), wanted.padding, trust_code=found)
    if isinstance(found, type) and not isinstance(encoder, found):
        raise ConfigError(f"{place.folder} holds a {type(encoder).__name__}, no {place.where}: load it by its folder alone")
    return encoder


def _embedder(encoder: Any, name: str, window_seconds: WindowSeconds, source: str = "") -> Embedder:
    if isinstance(encoder, Embedder):  # what a function of one's own returned
        return load(encoder, window_seconds=window_seconds)
    if window_seconds == "auto" and getattr(encoder, "reads_whole", False):
        window_seconds = 1e6  # a BOLD run is encoded whole, however long
    embedder = Embedder(as_encoder(encoder), name, window_seconds)
    embedder.source = source
    return embedder


def _called(found: object) -> str:
    return getattr(found, "__name__", type(found).__name__)

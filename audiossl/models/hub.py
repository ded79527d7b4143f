"""Models on disk and on the Hugging Face hub, in the public layout: `config.json` and `model.safetensors`."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from audiossl.errors import ConfigError, StoreError
from audiossl.features.logmel import LogMel
from audiossl.files import read_json, whole_file, write_json
from audiossl.models.zipformer import Padding, Zipformer, ZipformerConfig
from audiossl.seeds import derive_generator

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PREFIX = "model.model."  # of every key in published weights
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
LEFT_OVER_BYPASS = re.compile(r"(.*\.layers\.\d+)\.bypass_scale")  # in every published layer, used by none
TRAINING_ONLY = ("codebook_loss", "audio_tagging_proj")


def save(model: Zipformer, folder: str | Path) -> None:
    """Write `config.json` and `model.safetensors` into a folder, each by rename, the config last.

    The keys and the config are those of published SPEAR models, so that published inference code reads the folder.
    """
    folder = Path(folder)
    state = {PREFIX + key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    for key in [key for key in state if key.endswith(".bypass_mid.bypass_scale")]:
        state[key.replace(".bypass_mid.", ".")] = torch.full_like(state[key], 0.5)
    with whole_file(folder / WEIGHTS) as partial:
        save_file(state, partial, metadata={"format": "pt"})
    write_json(folder / CONFIG, model.config.to_json())


def load(source: str | Path, padding: Padding = "invariant", config: ZipformerConfig | None = None) -> Zipformer:
    """Load a model in evaluation mode.

    Args:
        source: a folder that holds `config.json` and `model.safetensors`, the id of a Hugging Face repository that does, or an
            icefall checkpoint `*.pt`. No code from outside is run.
        padding: "invariant" or "reference", see `Zipformer`.
        config: of an icefall checkpoint; by default the `config.json` beside it.

    Raises:
        StoreError: if a file is missing or cannot be read, or the weights do not fit the config; the message names keys.
        ConfigError: if the config has unknown fields, or a model type that is not known.
    """
    path = Path(source)
    if path.is_file():
        return _load_icefall(path, padding, config)
    if config is not None:
        raise ConfigError(f"a config can be given for an icefall checkpoint only; {source} brings its own.")
    if not path.exists() and isinstance(source, str) and REPOSITORY.fullmatch(source):
        path = _download(source)
    values = _read_config(path / CONFIG)
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(
            f"{path / CONFIG}: model_type is {kind!r}; known are: {', '.join(KINDS)}. A Hugging Face model is named hf:NAME."
        )
    return KINDS[kind](path, values, padding)


def _load_zipformer(folder: Path, values: dict[str, Any], padding: Padding) -> Zipformer:
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise StoreError(f"{folder} holds {CONFIG} but no {WEIGHTS}; the model is incomplete.")
    try:
        state = load_file(weights)
    except SafetensorError as error:
        raise StoreError(f"{weights} cannot be read ({error}); it may have been cut short. Fetch or write it again.") from error
    return _build(ZipformerConfig.from_json(values, str(folder / CONFIG)), state, padding, weights)


KINDS: dict[str, Callable[[Path, dict[str, Any], Padding], Zipformer]] = {"spear": _load_zipformer}


def _load_icefall(path: Path, padding: Padding, config: ZipformerConfig | None) -> Zipformer:
    if path.suffix != ".pt":
        raise StoreError(f"{path} is a file; expected a folder with {CONFIG} and {WEIGHTS}, or an icefall checkpoint *.pt.")
    if config is None:
        beside = path.with_name(CONFIG)
        config = ZipformerConfig.from_json(_read_config(beside), str(beside))
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read as plain weights ({reason}). Export its weights alone first.") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict):
        raise StoreError(f"{path} has no top-level key 'model'; expected an icefall checkpoint.")
    return _build(config, checkpoint["model"], padding, path)


def _build(config: ZipformerConfig, state: dict[str, Tensor], padding: Padding, origin: Path) -> Zipformer:
    """Put weights into a model without allocating it twice."""
    with torch.device("meta"):
        model = Zipformer(config, padding)
    model.log_mel = LogMel(config.num_mel_bins)  # its tables are computed, not stored
    wanted = model.state_dict()
    state = _without_left_overs(state, config)
    if "mask_emb" not in state:
        state["mask_emb"] = torch.randn(config.num_mel_bins, generator=derive_generator("mask_emb"))
    unknown, missing = sorted(state.keys() - wanted.keys()), sorted(wanted.keys() - state.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)}, expected {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(keys)} {what}: {', '.join(keys[:5])}{', ...' if len(keys) > 5 else ''}"
        for what, keys in (("unknown keys", unknown), ("missing keys", missing), ("wrong shapes", shapes))
        if keys
    ]
    if problems:
        raise StoreError(f"{origin} does not fit its config. {'; '.join(problems)}.")
    model.load_state_dict(state, assign=True)
    return model.eval()


def _without_left_overs(state: dict[str, Tensor], config: ZipformerConfig) -> dict[str, Tensor]:
    """Strip the published prefix and drop what inference never used; keep `mask_emb` for continued pre-training."""
    kept = {}
    for key, value in state.items():
        key = key.removeprefix(PREFIX)
        stale = key == "encoder.downsample_output.bias" and config.output_downsampling_factor == 1
        if not (stale or key.startswith(TRAINING_ONLY) or LEFT_OVER_BYPASS.fullmatch(key)):
            kept[key] = value.float()
    return kept


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise StoreError(f"{path.parent} holds no {CONFIG}; expected a folder with {CONFIG} and {WEIGHTS}.")
    try:
        values = read_json(path)
    except ValueError as error:
        raise StoreError(f"{path} is not JSON ({error}).") from error
    if not isinstance(values, dict):
        raise StoreError(f"{path} holds no JSON object.")
    return values


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=[CONFIG, WEIGHTS]))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreError(
            f"'{repository}' is no folder here and could not be fetched from the Hugging Face hub ({reason}). "
            "Check the name and the network."
        ) from error

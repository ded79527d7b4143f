"""`audiossl.load`: any encoder by name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from torch import nn

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")
NAMES = (
    "a checkpoint or run folder, logmel, hama, resemblyzer, hf:NAME[:LAYER], dasheng:NAME "
    "or a SPEAR repository such as marcoyang/spear-base-speech"
)


def load(name: str | Path | Encoder | nn.Module, padding: Literal["invariant", "reference"] = "invariant") -> Embedder:
    """Load an encoder and wrap it so that it embeds signals of any length.

    Args:
        name: a folder with `config.json` and `model.safetensors` (a Zipformer, or the encoder of a sensor or connectivity
            recipe); a run folder (its student or fine-tuned encoder is meant, or its only one); `logmel`; `hama`;
            `resemblyzer`; `hf:NAME[:LAYER]` for a Hugging Face audio model; `dasheng:NAME` with dasheng_base, dasheng_06B,
            dasheng_12B or a checkpoint file; or a SPEAR repository on the Hugging Face hub. An object that meets the contract
            of `audiossl.models.encoder` is taken as it is.
        padding: of Zipformers. `invariant` gives each clip the same frames in any batch; `reference` reproduces the padded
            batches of the published code, in which the last frames of shorter clips see padding.

    Raises:
        ConfigError: if nothing of that name is known, or an object does not meet the contract.
        StoreError: if a folder is incomplete or its weights do not fit its config.
        MissingExtraError: if the model needs an optional dependency.
    """
    if not isinstance(name, str | Path):
        return name if isinstance(name, Embedder) else Embedder(name)
    text = str(name)
    if text.startswith("s3prl:"):
        raise ConfigError(f"'{text}' is not supported yet; known are: {NAMES}")
    encoder = _encoder(text, padding)
    # A BOLD run is encoded whole, however long: its regions are standardised over it.
    return Embedder(encoder, name=text, **({"window_seconds": 1e6} if hasattr(encoder, "regions") else {}))


def _encoder(text: str, padding: Literal["invariant", "reference"]) -> Encoder:
    if text == "logmel":
        from audiossl.teachers.logmel import LogMelEncoder

        return LogMelEncoder()
    if text == "hama":
        from audiossl.teachers.hama import HamaConformer

        return HamaConformer.from_wheel()
    if text == "resemblyzer":
        from audiossl.teachers.resemblyzer import Resemblyzer

        return Resemblyzer.from_wheel()
    if text.startswith("hf:"):
        from audiossl.teachers.hugging_face import HuggingFaceEncoder

        model, _, layer = text.removeprefix("hf:").partition(":")
        if not model or not (layer or "0").isdecimal():
            raise ConfigError(f"expected hf:NAME or hf:NAME:LAYER, for instance hf:microsoft/wavlm-large:9, got '{text}'")
        return HuggingFaceEncoder.from_name(model, last_layer=int(layer) if layer else None)
    if text.startswith("dasheng:"):
        from audiossl.teachers.dasheng import DashengEncoder

        return DashengEncoder.from_name(text.removeprefix("dasheng:"))
    from audiossl.models import hub
    from audiossl.models.connectivity_encoder import ConnectivityEncoder, is_connectivity_encoder
    from audiossl.models.sensor_encoder import SensorEncoder, is_sensor_encoder

    if text.endswith(".pt"):
        return hub.load(text, padding=padding)
    folder = encoder_folder(Path(text))
    if is_sensor_encoder(folder):
        return SensorEncoder.load(folder)
    if is_connectivity_encoder(folder):
        return ConnectivityEncoder.load(folder)
    if (folder / "config.json").is_file():
        return hub.load(folder, padding=padding)
    if Path(text).exists() or text.count("/") != 1:
        raise ConfigError(f"'{text}' holds no config.json and is not a known name; expected {NAMES}")
    return hub.load(text, padding=padding)


def encoder_folder(folder: Path) -> Path:
    """Find the encoder of a run: its student, its fine-tuned encoder, or the only one of its models; else the folder itself.

    Raises:
        ConfigError: if a run holds several.
    """
    for inside in (folder / "pretrain" / "student", folder, folder / "encoder", folder / "train" / "model" / "encoder"):
        if (inside / "config.json").is_file():
            return inside
    several = [path.parent for path in sorted(folder.glob("model_*/seed*/encoder/config.json"))]
    if len(several) > 1:
        listed = ", ".join(map(str, several[:8])) + (", ..." if len(several) > 8 else "")
        raise ConfigError(f"{folder} holds {len(several)} encoders, name one of them: {listed}")
    return several[0] if several else folder


def weights_digest(name: str | Path) -> str:
    """Hash the weights and configs that a name leads to in a local folder or file, where they may be trained anew.

    Returns:
        The hash, or "" where the name alone says which weights are meant, as `logmel` does or a repository.

    Raises:
        ConfigError: if a run holds several encoders.
    """
    path = encoder_folder(Path(name))
    # Of a checkpoint file the config lies beside it.
    files = [path, path.with_name("config.json")] if path.is_file() else sorted(path.glob("*"))
    kept = [file for file in files if file == path or file.name == "config.json" or file.suffix in WEIGHT_SUFFIXES]
    sha = hashlib.sha256()
    for file in (kept := [file for file in kept if file.is_file()]):
        with file.open("rb") as opened:
            sha.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return sha.hexdigest() if kept else ""

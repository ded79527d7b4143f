"""`audiossl.load`: any encoder by name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from torch import nn

from audiossl.embedding.embedder import Embedder
from audiossl.encoder_names import ENCODERS, WRITTEN, Wanted, parse_name
from audiossl.errors import ConfigError
from audiossl.files import read_json
from audiossl.models.encoder import Encoder
from audiossl.stage_record import is_set_aside

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")
NAMES = f"a checkpoint or run folder, {WRITTEN} or a SPEAR repository such as marcoyang/spear-base-speech"


def load(name: str | Path | Encoder | nn.Module, padding: Literal["invariant", "reference"] = "invariant") -> Embedder:
    """Load an encoder and wrap it so that it embeds signals of any length.

    Args:
        name: a folder with `config.json` and `model.safetensors` (a Zipformer, the encoder of a sensor or connectivity recipe, or
            a Hugging Face audio model); a run folder (its student or fine-tuned encoder is meant, or its only one); `logmel`;
            `hama`; `resemblyzer`; `hf:NAME[:LAYER]` for a Hugging Face audio model; `dasheng:NAME` with dasheng_base,
            dasheng_06B, dasheng_12B or a checkpoint file; or a SPEAR repository on the Hugging Face hub. The table is in
            `audiossl.encoder_names`. An object that meets the contract of `audiossl.models.encoder` is taken as it is.
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
    known, rest, layer = parse_name(text)
    encoder = known.load(Wanted(rest, layer, padding=padding))
    # A BOLD run is encoded whole, however long: its regions are standardised over it.
    return Embedder(encoder, name=text, **({"window_seconds": 1e6} if hasattr(encoder, "regions") else {}))


def load_own(wanted: Wanted) -> Encoder:
    """Load an encoder of ours from a folder, file or repository, or a folder that `transformers` wrote."""
    from audiossl.models import hub
    from audiossl.models.connectivity_encoder import ConnectivityEncoder, is_connectivity_encoder
    from audiossl.models.sensor_encoder import SensorEncoder, is_sensor_encoder

    text = wanted.name
    if text.endswith(".pt"):
        return hub.load(text, padding=wanted.padding)
    folder = encoder_folder(Path(text))
    if is_sensor_encoder(folder):
        return SensorEncoder.load(folder)
    if is_connectivity_encoder(folder):
        return ConnectivityEncoder.load(folder)
    if is_hugging_face_folder(folder):
        return ENCODERS["transformers"].load(Wanted(str(folder), wanted.last_layer))
    if (folder / "config.json").is_file():
        return hub.load(folder, padding=wanted.padding)
    if Path(text).exists() or text.count("/") != 1:
        raise ConfigError(f"'{text}' holds no config.json and is not a known name; expected {NAMES}")
    return hub.load(text, padding=wanted.padding)


def is_hugging_face_folder(folder: Path) -> bool:
    """Whether a folder's `config.json` names a model type that is none of ours, so that `transformers` may know it."""
    from audiossl.models import hub

    try:
        kind = read_json(folder / hub.CONFIG).get("model_type")
    except (OSError, ValueError, AttributeError):
        return False
    return isinstance(kind, str) and kind not in hub.KINDS


def encoder_folder(folder: Path) -> Path:
    """Find the encoder of a run: its student, its fine-tuned encoder, or the only one of its models; else the folder itself.

    Raises:
        ConfigError: if a run holds several.
    """
    for inside in (folder / "pretrain" / "student", folder, folder / "encoder", folder / "train" / "model" / "encoder"):
        if (inside / "config.json").is_file():
            return inside
    found = sorted(folder.glob("model_*/seed*/encoder/config.json"))
    several = [path.parent for path in found if not is_set_aside(path.parents[2].name)]
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

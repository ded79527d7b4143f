"""Where a run keeps its encoder, and what decides the weights behind a name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audiossl.encoder_names import outside_place, parse_name, without_options
from audiossl.errors import ConfigError
from audiossl.kinds import import_place, source_digest
from audiossl.models.hub import CONFIG, WEIGHTS
from audiossl.stage_record import is_set_aside

UNTRAINED = "model_random"
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")


def encoder_folder(folder: Path) -> Path:
    """Find the encoder of a run: its student, its fine-tuned encoder, or the only one of its models; else the folder itself.

    Where a run trained a model, that of the row `random`, its networks as they were drawn, is not meant.

    Raises:
        ConfigError: if a run holds several.
    """
    for inside in (folder / "pretrain" / "student", folder, folder / "encoder", folder / "train" / "model" / "encoder"):
        if (inside / CONFIG).is_file():
            return inside
    found = sorted(folder.glob(f"model_*/seed*/encoder/{CONFIG}"))
    several = [path.parent for path in found if not is_set_aside(path.parents[2].name)]
    several = [path for path in several if path.parents[1].name != UNTRAINED] or several
    if len(several) > 1:
        listed = ", ".join(map(str, several[:8])) + (", ..." if len(several) > 8 else "")
        raise ConfigError(f"{folder} holds {len(several)} encoders, name one of them: {listed}")
    return several[0] if several else folder


def local_path(name: str) -> Path | None:
    """The file or folder on this machine that a name of `audiossl.load` leads to; None if there is none.

    >>> local_path("logmel") is None
    True
    """
    place = outside_place(name)
    try:
        text = parse_name(name)[1] if place is None else place.folder
    except ConfigError:
        return None
    found = [path for path in map(Path, (text, without_options(text))) if path.name and path.exists()]
    return found[0] if found else None


def weights_digest(name: str | Path) -> str:
    """Hash what a name leads to on this machine and may change under it: weights and configs, and the source of a class.

    Returns:
        The hash, or "" where the name alone says which weights are meant, as `logmel` does or a repository.

    Raises:
        ConfigError: if a run holds several encoders, or there is no such class.
    """
    if (place := outside_place(str(name))) is not None:
        source = source_digest(import_place(place.where, "encoder"))
        return source + (weights_digest(place.folder) if place.folder else "")
    path = encoder_folder(local_path(str(name)) or Path(name))
    # The config of a checkpoint file, and the weights of a large graph, lie next to it.
    own = [path, path.with_name(CONFIG), path.with_name(f"{path.name}.data")] if path.is_file() else []
    files = own or sorted(path.glob("*"))
    kept = [file for file in files if file in own or file.name == CONFIG or file.suffix in WEIGHT_SUFFIXES]
    sha = hashlib.sha256()
    for file in (kept := [file for file in kept if file.is_file()]):
        with file.open("rb") as opened:
            sha.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return sha.hexdigest() if kept else ""


def encoder_identity(name: str) -> str:
    """What decides the weights behind a name, for fine-tuning: a hash of local weights, else the name itself.

    Other than `weights_digest` it leaves the config out, as the fingerprints of runs up to commit ba6cba2 do.

    Raises:
        ConfigError: if a local folder holds no weights.
    """
    if outside_place(name) is not None:
        return f"{name} {weights_digest(name)}"
    path, layer = local_path(name) or Path(name), parse_name(name)[2]
    weights = encoder_folder(path) / WEIGHTS
    if weights.is_file():
        with weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() + ("" if layer is None else f":{layer}")
    if path.is_dir():
        raise ConfigError(f"encoder={name} holds no {WEIGHTS}; pre-train it first, or name another encoder.")
    return name

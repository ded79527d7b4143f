"""Models, configs and recipes that would run something, or be endless."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from hostile_case import MARK, Bomb, case

from audiossl.cli import main
from audiossl.embedding.embedder import Embedder
from audiossl.errors import AudiosslError
from audiossl.load import load
from audiossl.models import Zipformer, hub

NARROW = {"encoder_dim": [32] * 5, "feedforward_dim": [48] * 5, "num_heads": [2] * 5, "encoder_unmasked_dim": [16] * 5}


# Models


def load_model(folder: Path) -> Embedder:
    return load(folder / "model")


def model_with(**files: bytes | str | Callable[[Path], object]) -> Callable[[Path], None]:
    """A good model folder in which some files are other ones."""

    def make(folder: Path) -> None:
        hub.save(Zipformer.from_preset("tiny", **NARROW), folder / "model")
        for name, content in files.items():
            path = folder / "model" / name.replace("_json", ".json").replace("_safetensors", ".safetensors")
            if callable(content):
                content(path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def changed_config(**values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


case("models", "pickle in place of safetensors", load_model)(model_with(model_safetensors=pickle.dumps(Bomb(), 2)))
case("models", "safetensors whose header claims 2^60 bytes", load_model)(
    model_with(model_safetensors=struct.pack("<Q", 2**60) + b"{}")
)
case("models", "safetensors whose tensor claims 2^40 values", load_model)(
    model_with(
        model_safetensors=struct.pack("<Q", 70)
        + b'{"x":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}'.ljust(70)
        + bytes(4)
    )
)
case("models", "config of 100 MB", load_model)(model_with(config_json='{"a": "' + "x" * 100_000_000 + '"}'))
case("models", "config nested 100,000 deep", load_model)(model_with(config_json='{"a":' * 100_000))
case("models", "config that is a list", load_model)(model_with(config_json="[]"))
case("models", "config with text in place of numbers", load_model)(model_with(config_json=changed_config(encoder_dim="big")))
case("models", "config with negative widths", load_model)(model_with(config_json=changed_config(encoder_dim=[-1] * 5)))
case("models", "config with widths of 10^12", load_model)(model_with(config_json=changed_config(encoder_dim=[10**12] * 5)))
case("models", "config with 10^9 layers", load_model)(model_with(config_json=changed_config(num_encoder_layers=[10**9] * 5)))
case("models", "config that is not UTF-8", load_model)(model_with(config_json=b"\xff\xfe{}"))
case("models", "config that names a class to import", load_model)(model_with(config_json=changed_config(model_type="os.system")))


@case("models", "checkpoint .pt that runs a program when unpickled", lambda folder: load(folder / "evil.pt"))
def _(folder: Path) -> None:
    hub.save(Zipformer.from_preset("tiny", **NARROW), folder)
    with zipfile.ZipFile(folder / "evil.pt", "w") as file:
        file.writestr("evil/data.pkl", pickle.dumps({"model": Bomb()}, 2))
        file.writestr("evil/version", "3\n")


@case("models", "checkpoint .pt that is a bare pickle", lambda folder: load(folder / "evil.pt"))
def _(folder: Path) -> None:
    hub.save(Zipformer.from_preset("tiny", **NARROW), folder)
    (folder / "evil.pt").write_bytes(pickle.dumps(Bomb(), 2))


# Recipes


def run_recipe(folder: Path) -> None:
    """By the command line, which must end with code 2 and one line."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(["run", str(folder / "recipe.yaml"), "--dry-run", f"output={folder / 'run'}"])
    lines = [line for line in said.getvalue().splitlines() if line.startswith("audiossl: ")]
    assert code == 2 and len(lines) == 1, said.getvalue()
    raise AudiosslError(lines[0].removeprefix("audiossl: "))


def recipe(text: str | bytes) -> Callable[[Path], int]:
    return lambda folder: (folder / "recipe.yaml").write_bytes(text.encode() if isinstance(text, str) else text)


case("recipes", "YAML with a tag that runs a program", run_recipe)(
    recipe(f"method: !!python/object/apply:os.system ['touch {MARK}']\n")
)
case("recipes", "YAML whose aliases double forty times", run_recipe)(
    recipe(
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
        + "method: spear\ndataset: *a39\n"
    )
)
case("recipes", "YAML of 100 MB", run_recipe)(recipe("method: spear\ndataset: " + "x" * 100_000_000))
case("recipes", "YAML nested 10,000 deep", run_recipe)(recipe("method: spear\ndataset: " + "[" * 10_000))
case("recipes", "YAML that is not text", run_recipe)(recipe(bytes(range(256))))
case("recipes", "YAML with a class to be built", run_recipe)(
    recipe("method: spear\ndataset: x\nteacher: {class_path: os.system, init_args: {command: touch executed}}\n")
)
case("recipes", "prepare script that does not exist", run_recipe)(recipe("method: spear\ndataset: x\nprepare: ../../evil.py\n"))

"""The real s3prl, heareval and MTEB, each in an environment of its own, run as child processes.

The first two pin packages that exclude each other and ours, and neither installs cleanly today; what was found to work together
is written down in `KITS`. `audiossl kits make` builds the environments from the command line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.errors import ConfigError, StoreError
from audiossl.files import write_json
from audiossl.signals.fetch import cache_folder

BUILT = "kit.json"
FOR_ENCODERS = (
    "jaxtyping==0.3.11",
    "lazy-loader==0.6",
    "safetensors==0.8.0",
    "soundfile==0.14.0",
    "soxr==1.1.0",
)  # what `audiossl.load` imports
READ_VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in json.loads(sys.argv[1]):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""
# heareval and hearvalidator import TensorFlow at their top and ask it only whether a model is one of its own.
TENSORFLOW_STUB = '''"""Stands in for TensorFlow where models are torch modules."""


class Module:
    """What no torch model is an instance of."""


class test:
    """The one question that is asked on machines with a GPU."""

    @staticmethod
    def is_gpu_available(*_, **__):
        return True
'''


@dataclass(frozen=True)
class Kit:
    """An environment for somebody else's evaluation code.

    Attributes:
        requirements: exact pins, installed together with what they need.
        alone: exact pins that are installed without what they say they need, for no current Python can satisfy them.
        variables: variables of the child's environment.
        stubs: source text of modules that stand in for packages that are not needed.
    """

    requirements: tuple[str, ...]
    alone: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    stubs: Mapping[str, str] = field(default_factory=dict)

    @property
    def pins(self) -> dict[str, str]:
        """Version of each package that is pinned; a later pin takes the place of an earlier one."""
        return {re.split(r"\[|==", item)[0]: item.partition("==")[2] for item in (*self.requirements, *self.alone)}


# torch 2.6 and later load plain weights only by default; both kits keep classes in their own checkpoints.
TRUSTING = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
KITS = {
    "s3prl": Kit(
        requirements=(
            "s3prl[all]==0.4.18",
            "torch==2.13.0",
            "torchaudio==2.11.0",
            "numpy==2.4.6",
            "pandas==3.1.1",
            "scikit-learn==1.9.1",
            "setuptools==80.10.2",  # the last with pkg_resources
            "transformers==4.57.6",  # the last major version whose huggingface_hub has what run_downstream imports
            "huggingface_hub==0.36.2",
            "tensorboardX==2.6.5",
            *FOR_ENCODERS,
        ),
        alone=("dtw-python==1.9.0",),  # the version that s3prl asks for is built for numpy 1
        variables=TRUSTING,
    ),
    "hear": Kit(
        requirements=(
            "torch==2.13.0",
            "pytorch-lightning==1.8.6",  # 1.9 forgets the epoch by which event tasks find their post-processing, 2.x fails
            "numpy==2.4.6",
            "pandas==3.1.1",
            "scipy==1.17.1",
            "scikit-learn==1.9.1",
            "torchmetrics==1.9.0",
            "tensorboardX==2.6.5",
            "torchinfo==1.8.0",
            "sed_eval==0.2.1",
            "dcase_util==0.2.20",
            "setuptools==80.10.2",
            "click==8.5.1",
            "intervaltree==3.2.1",
            "more-itertools==11.2.1",
            "python-slugify==9.2.0",
            "tqdm==4.70.1",
            *FOR_ENCODERS,
        ),
        alone=("heareval==2021.1.3", "hearvalidator==2021.0.6"),
        variables=TRUSTING,
        stubs={"tensorflow": TENSORFLOW_STUB},
    ),
    "mteb": Kit(
        requirements=(
            "mteb==2.26.24",
            "torch==2.13.0",
            "datasets==5.2.0",  # reads recordings undecoded; its own decoder, torchcodec, wants FFmpeg
            "sentence-transformers==6.2.0",
            "transformers==5.24.0",
            "numpy==2.4.6",
            "scikit-learn==1.9.1",
            *FOR_ENCODERS,
        ),
    ),
}


def kits_folder() -> Path:
    """The folder of environments: `$AUDIOSSL_KITS`, or `kits` in the cache."""
    home = os.environ.get("AUDIOSSL_KITS")
    return Path(home).expanduser().absolute() if home else cache_folder() / "kits"


def build_kit(name: str, folder: Path | None = None) -> Path:
    """Make the environment of a kit if it is not there; takes minutes, some GB and pip's own settings and cache.

    Args:
        name: "s3prl", "hear" or "mteb".
        folder: folder of all environments, by default `kits_folder()`.

    Returns:
        The environment's folder.

    Raises:
        ConfigError: if there is no kit of that name, or pip fails; the message holds pip's last lines.
    """
    kit, home = _kit(name), (folder or kits_folder()) / name
    if is_built(name, folder):
        return home
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    _install(home, *kit.requirements)
    if kit.alone:
        _install(home, "--no-deps", "--ignore-requires-python", *kit.alone)
    for module, text in kit.stubs.items():
        stub = home / "stubs" / module / "__init__.py"
        stub.parent.mkdir(parents=True)
        stub.write_text(text, encoding="utf-8")
    _package_alone(home)
    write_json(home / BUILT, kit.pins)  # last: an environment without it is made anew
    return home


def is_built(name: str, folder: Path | None = None) -> bool:
    """Whether the environment of a kit is there and whole."""
    return ((folder or kits_folder()) / name / BUILT).is_file()


def check_kit(name: str, folder: Path | None = None) -> None:
    """Compare the packages of an environment with the pins.

    Raises:
        StoreError: if the environment is not there, or a package has another version; the message names it.
    """
    kit, home = _kit(name), (folder or kits_folder()) / name
    if not is_built(name, folder):
        raise StoreError(f"there is no environment for {name} in {home}: make it with `audiossl kits make {name}`")
    answer = subprocess.run(
        [_python(home), "-c", READ_VERSIONS, json.dumps(list(kit.pins))], capture_output=True, text=True, check=True
    )
    found: dict[str, str | None] = json.loads(answer.stdout)
    wrong = [
        f"{package} {version or 'missing'}, expected {kit.pins[package]}"
        for package, version in found.items()
        if (version or "").partition("+")[0] != kit.pins[package]  # a build such as 2.13.0+cpu is the version
    ]
    if wrong:
        raise StoreError(f"the environment {home} has {'; '.join(wrong)}: delete it and run `audiossl kits make {name}`")


def run_kit(
    name: str,
    arguments: Sequence[str],
    folder: Path | None = None,
    search: Sequence[Path] = (),
    working_folder: Path | None = None,
    timeout: float | int | None = None,
) -> str:
    """Run Python in the environment of a kit, with this very package importable there.

    Args:
        name: "s3prl", "hear" or "mteb".
        arguments: arguments of Python, for instance `["-m", "heareval.predictions.runner", ...]`.
        folder: folder of all environments, by default `kits_folder()`.
        search: folders of modules that the child imports, such as that of an exported HEAR module.
        working_folder: working folder of the child.
        timeout: seconds after which the child is ended.

    Returns:
        What the child printed, errors included.

    Raises:
        StoreError: if the environment is missing or differs from the pins.
        ConfigError: if the child fails; the message holds its last lines.

    >>> run_kit("hear", ["-m", "heareval.predictions.runner", "embeddings"])  # doctest: +SKIP
    """
    check_kit(name, folder)
    kit, home = KITS[name], (folder or kits_folder()) / name
    path = [_package_alone(home), home / "stubs", *(item.absolute() for item in search)]
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    variables |= {**kit.variables, "PYTHONPATH": os.pathsep.join(map(str, path))}
    try:
        child = subprocess.run(
            [_python(home), *arguments],
            env=variables,
            cwd=working_folder,
            timeout=timeout,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{name} did not end within {timeout:g} s: {' '.join(arguments)}") from error
    if child.returncode:
        raise ConfigError(f"{name} failed: {' '.join(arguments)}\n{_tail(child.stdout)}")
    return child.stdout


def _package_alone(home: Path) -> Path:
    """A folder that holds a link to this package and nothing else, so that its neighbours stay out of the environment."""
    link, package = home / "package" / "audiossl", Path(__file__).parents[1]
    if not link.is_symlink() or link.resolve() != package.resolve():
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(package, target_is_directory=True)
    return link.parent


def _kit(name: str) -> Kit:
    if name not in KITS:
        raise ConfigError(f"expected a kit of {', '.join(KITS)}, got '{name}'")
    return KITS[name]


def _install(home: Path, *arguments: str) -> None:
    pip = subprocess.run(
        [_python(home), "-m", "pip", "install", "--progress-bar", "off", *arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if pip.returncode:
        raise ConfigError(f"pip could not make {home}:\n{_tail(pip.stdout)}")


def _python(home: Path) -> str:
    return str(home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-12:])

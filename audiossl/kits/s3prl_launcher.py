"""Starts s3prl 0.4.18 with our upstream registered, on versions of torchaudio that it does not know.

    python -m audiossl.kits.s3prl_launcher -m s3prl.main SuperbSID --build_upstream.name audiossl ...
    python -m audiossl.kits.s3prl_launcher run_downstream.py -m train -u audiossl -k FOLDER ...

s3prl has no plugins: an upstream is a function on its module `hub`, put there before anything asks for it.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.kits.torchaudio_compat import mend_torchaudio

USAGE = "python -m audiossl.kits.s3prl_launcher (-m MODULE | SCRIPT.py) ARGUMENTS..."


def prepare_s3prl() -> None:
    """Mend torchaudio for s3prl and register the upstream `audiossl`; to be called before s3prl is used.

    Raises:
        MissingExtraError: if torchaudio is not installed.
        ConfigError: if s3prl is not.
    """
    mend_torchaudio()
    try:
        hub = importlib.import_module("s3prl.hub")
    except ImportError as error:
        raise ConfigError(
            f"s3prl cannot be imported ({error}): use the environment that `audiossl kits make s3prl` makes"
        ) from error
    from audiossl.exporters.s3prl import UpstreamExpert

    for name in ("audiossl", "audiossl_local"):
        setattr(hub, name, UpstreamExpert)


def main(arguments: Sequence[str]) -> None:
    """Run a module or a script as Python would, after `prepare_s3prl`.

    Raises:
        ConfigError: if neither is named.
    """
    if not [item for item in arguments if item != "-m"]:
        raise ConfigError(f"expected {USAGE}")
    prepare_s3prl()
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(arguments[0]).absolute().parent))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])

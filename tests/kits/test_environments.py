"""How the environments of the kits are described, checked and run, with a Python that stands in for theirs."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

from audiossl.errors import ConfigError, StoreError
from audiossl.files import write_json
from audiossl.kits import environments as kits
from audiossl.kits.environments import KITS, Kit, build_kit, check_kit, kits_folder, run_kit


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A kit whose environment is this very Python, with one stub and one variable."""
    numpy = importlib.metadata.version("numpy")
    kit = Kit((f"numpy=={numpy}",), variables={"ANSWER": "42"}, stubs={"stubbed": "value = 7\n"})
    monkeypatch.setitem(KITS, "toy", kit)
    monkeypatch.setattr(kits.venv, "create", lambda home, with_pip: make_python(home))
    monkeypatch.setattr(kits, "_install", lambda home, *arguments: None)
    monkeypatch.setenv("AUDIOSSL_KITS", str(tmp_path / "kits"))
    return build_kit("toy")


def make_python(home):
    python = home / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)


def test_pins_are_exact_and_a_later_one_replaces_an_earlier_one():
    for kit in KITS.values():
        assert all(name and version and "*" not in version for name, version in kit.pins.items())
    assert KITS["s3prl"].pins["s3prl"] == "0.4.18" and KITS["s3prl"].pins["dtw-python"] == "1.9.0"
    assert KITS["hear"].pins["pytorch-lightning"] == "1.8.6" and KITS["hear"].pins["hearvalidator"] == "2021.0.6"
    assert KITS["s3prl"].pins["torch"] == KITS["hear"].pins["torch"]


def test_the_child_sees_this_package_its_stubs_and_variables(toy, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("value = 'exported'\n")
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    code = "import os, sys, audiossl, stubbed, mine; print(os.environ['ANSWER'], stubbed.value, mine.value, sys.path[1:4])"
    printed = run_kit("toy", ["-c", code], search=[tmp_path])
    assert printed.startswith("42 7 exported") and "/somewhere/else" not in printed
    assert [item.name for item in (toy / "package").iterdir()] == ["audiossl"]
    assert run_kit("toy", ["-c", "import os; print(os.getcwd())"], working_folder=tmp_path).strip() == str(tmp_path)


def test_a_built_environment_is_kept_and_a_broken_one_made_anew(toy):
    (toy / "kept").touch()
    assert build_kit("toy") == toy and (toy / "kept").exists()
    (toy / "kit.json").unlink()  # as if pip had been interrupted
    build_kit("toy")
    assert not (toy / "kept").exists() and (toy / "kit.json").exists()


def test_wrong_and_missing_versions_are_named(toy, monkeypatch):
    monkeypatch.setitem(KITS, "toy", Kit(("numpy==1.0", "nothing-of-that-name==2.0")))
    with pytest.raises(
        StoreError, match=r"numpy \d.*, expected 1.0; nothing-of-that-name missing, expected 2.0.*audiossl kits make toy"
    ):
        check_kit("toy")
    with pytest.raises(StoreError, match=r"expected 1\.0"):
        run_kit("toy", ["-c", "print(1)"])


def test_a_build_of_a_version_is_that_version(toy, monkeypatch):
    monkeypatch.setattr(kits, "READ_VERSIONS", 'print(\'{"torch": "2.13.0+cpu"}\')')
    monkeypatch.setitem(KITS, "toy", Kit(("torch==2.13.0",)))
    check_kit("toy")


def test_failures_end_with_what_the_child_said(toy):
    with pytest.raises(ConfigError, match="RuntimeError: told you"):
        run_kit("toy", ["-c", "raise RuntimeError('told you')"])
    with pytest.raises(ConfigError, match=r"within 0\.2 s"):
        run_kit("toy", ["-c", "import time; time.sleep(5)"], timeout=0.2)


def test_missing_and_unknown_kits(tmp_path, monkeypatch):
    with pytest.raises(StoreError, match=r"audiossl kits make hear"):
        run_kit("hear", ["-c", "print(1)"], folder=tmp_path)
    with pytest.raises(ConfigError, match="s3prl, hear, mteb, got 'superb'"):
        build_kit("superb", tmp_path)
    write_json(tmp_path / "hear" / "kit.json", {})
    monkeypatch.delenv("AUDIOSSL_KITS", raising=False)
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path))
    assert kits_folder() == tmp_path / "kits"

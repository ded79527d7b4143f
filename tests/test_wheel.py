"""The wheel, unpacked onto the path of an environment without the checkout: recipes, kits, and data of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The wheel as pip unpacks it; torch and the rest are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run(command, check=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def audiossl(site, tmp_path):
    """Runs the command in a fresh folder, where the checkout is on no path."""

    def run(*arguments: str, code: int = 0, module: str = "audiossl") -> str:
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AUDIOSSL"))}
        variables |= {"PYTHONPATH": str(site), "AUDIOSSL_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-m", module, *arguments]
        ended = subprocess.run(command, cwd=tmp_path, env=variables, text=True, capture_output=True, timeout=300, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run


def test_it_holds_the_recipes_of_the_checkout_and_nothing_that_was_built(site):
    listed = subprocess.run(["git", "ls-files", "recipes"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    home = site / "audiossl" / "_recipes"
    packed = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert packed >= {line.partition("/")[2] for line in listed.splitlines()}
    assert not [name for name in packed if name.endswith(".pyc")]
    assert not (site / "recipes").exists() and not (site / "tests").exists()


def test_recipes_are_listed_copied_and_run_by_name(audiossl, site, tmp_path):
    (tmp_path / "where.py").write_text("import audiossl; print(audiossl.__file__)")
    assert audiossl(module="where").strip() == str(site / "audiossl" / "__init__.py")
    listed = audiossl("recipes")
    assert "asterisk/spear " in listed and "SPEAR on five-language telephone prompts" in listed
    said = audiossl("run", "asterisk/spear", "--dry-run", "--to", "corpus")
    assert "would run" in said and str(ROOT) not in said
    audiossl("recipes", "copy", "packaged", "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["asterisk", "packaged"]
    assert "would run" in audiossl("run", "mine/packaged/spear.yaml", "--dry-run", "--to", "corpus")
    said = audiossl("run", "asterisk", code=2)
    assert "name one of them: asterisk/ctc, asterisk/frame_projection, asterisk/spear" in said


def test_kits_are_known_without_a_checkout(audiossl, tmp_path):
    assert "s3prl" in audiossl("kits", "make", "--help")
    audiossl("export", "hear", "logmel", "--out", "my_embed.py")
    (tmp_path / "tasks").mkdir()
    said = audiossl("evaluate", "hear", "logmel", "tasks", "--out", "out", "--kit", code=2)
    assert "there is no environment for hear" in said and "audiossl kits make hear" in said


@pytest.mark.parametrize("method", [name for name in ("spear",) if (ROOT / "recipes" / "own" / f"{name}.yaml").is_file()])
def test_data_of_ones_own_need_no_file(audiossl, tmp_path, method):
    (tmp_path / "recordings").mkdir()
    for number in range(6):
        samples = 0.1 * np.random.default_rng(number).standard_normal(16000)
        soundfile.write(tmp_path / "recordings" / f"{number}.wav", samples, 16000)
    said = audiossl("run", method, "corpus=recordings", "teacher=logmel", "--dry-run")
    assert "would run" in said

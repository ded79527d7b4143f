"""The command line: exit codes, one clear line for the user's errors, and what `embed` does with good and bad files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiossl import __version__, cli
from audiossl.cli import main
from audiossl.embedding.store import EmbeddingStore
from audiossl.files import read_jsonl

RECIPE = str(Path(__file__).parents[1] / "recipes" / "asterisk" / "spear.yaml")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, shape).astype(np.float32)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "good.wav"
    soundfile.write(path, noise(8000), 16000)
    return str(path)


def fails(capsys, *arguments: str) -> str:
    """Run a command that the user got wrong; its one line on stderr."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("audiossl: ") and output.out == ""
    return lines[0]


def test_run_errors(capsys, tmp_path):
    recipe = tmp_path / "mine.yaml"
    assert "cannot read" in fails(capsys, "run", str(recipe))
    recipe.write_text("method: spear\ndataset: toy\nteacher: {kid: hama}\n")
    assert "'kid'" in fails(capsys, "run", str(recipe))
    recipe.write_text("method: [\n")
    assert "not valid YAML" in fails(capsys, "run", str(recipe))
    assert "training.nope" in fails(capsys, "run", RECIPE, "training.nope=1", "--dry-run")
    assert "training.max_steps" in fails(capsys, "run", RECIPE, "training.max_steps=many", "--dry-run")
    assert "key=value" in fails(capsys, "run", RECIPE, "faster", "--dry-run")


def test_unknown_stage_and_unwritable_output(capsys, tmp_path):
    (tmp_path / "file").write_text("kept")
    for arguments, expected in (
        (["--from", "nope", f"output={tmp_path / 'a'}"], "no stage 'nope'; its stages are: corpus"),
        (["--to", "nope", f"output={tmp_path / 'a'}"], "no stage 'nope'"),
        ([f"output={tmp_path / 'file' / 'run'}"], "cannot write the output folder"),
    ):
        assert main(["run", RECIPE, *arguments]) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("audiossl: ")]
        assert len(errors) == 1 and expected in errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("order", [0, 1, 2])
def test_dry_run_takes_overrides_anywhere(capsys, tmp_path, order, monkeypatch):
    monkeypatch.setattr("audiossl.pipelines.catalogue.DRY_RUNS", {})
    override = f"output={tmp_path / 'runs' / 'é x'}"
    arguments = [[RECIPE, override, "--dry-run"], [RECIPE, "--dry-run", override], ["--dry-run", RECIPE, override]][order]
    assert main(["run", *arguments, "--from", "tokens", "seed=2"]) == 0
    assert capsys.readouterr().err.count("would run") == 9
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["embed", "--help"], ["finetune", "--help"]])
def test_help_and_version(capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 0
    output = capsys.readouterr()
    assert output.err == "" and (__version__ in output.out if "--version" in arguments else "usage" in output.out)


@pytest.mark.parametrize(
    "arguments", [[], ["nope"], ["embed", "logmel"], ["embed", "logmel", "x", "--out", "y", "--nope"], ["run", RECIPE, "--nope"]]
)
def test_usage_errors(capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "audiossl" in capsys.readouterr().err.splitlines()[-1]


def test_embed_errors(capsys, tmp_path, wav):
    out = str(tmp_path / "out")
    for model, path, options, expected in (
        ("nope", wav, [], "not a known name"),
        ("hf:a:b", wav, [], "hf:NAME[:LAYER]"),
        ("logmel", str(tmp_path / "nowhere"), [], "found nothing at"),
        ("logmel", wav, ["--shard", "1"], "--shard i/n"),
        ("logmel", wav, ["--shard", "a/b"], "--shard i/n"),
        ("logmel", wav, ["--shard", "2/2"], "0 <= i < n"),
        ("logmel", wav, ["--layers", "top"], "--layers last, all or 2,4"),
        ("logmel", wav, ["--layers", "0,7"], "numbers below 1"),
        ("logmel", wav, ["--device", "nope"], "cannot use --device nope"),
        ("logmel", wav, ["--out", f"{wav}/out"], "Choose another"),
    ):
        assert expected in fails(capsys, "embed", model, path, "--out", out, *options)
    assert not (tmp_path / "out").exists()


def test_missing_extra(capsys, monkeypatch, tmp_path, wav):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert 'pip install "audiossl[hf]"' in fails(capsys, "embed", "hf:foo", wav, "--out", str(tmp_path / "out"))


def test_interrupted(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("audiossl.pipelines.catalogue.run_config", interrupted)
    assert main(["run", RECIPE]) == 130
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def folder(tmp_path):
    """Two good files, one of them of 8 channels, and every sort of bad one."""
    folder = tmp_path / "my récords"
    (folder / "sub dir").mkdir(parents=True)
    soundfile.write(folder / "sub dir" / "né à.wav", noise(16000), 16000)
    soundfile.write(folder / "eight.wav", noise(4410, 8), 44100)
    soundfile.write(folder / "tiny.wav", noise(1), 16000)
    (folder / "cut.wav").write_bytes((folder / "sub dir" / "né à.wav").read_bytes()[:20000])
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is not audio, whatever its name says")
    broken = noise(800)
    broken[400] = np.nan
    soundfile.write(folder / "nan.wav", broken, 16000, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", noise(100), 3)
    (folder / os.fsdecode(b"latin-\xe9.wav")).write_bytes((folder / "tiny.wav").read_bytes())
    return folder


def test_embed_good_and_bad_files(capsys, folder, tmp_path):
    out = tmp_path / "out put"
    assert main(["embed", "logmel", str(folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("3 files embedded (0.00 h), 0 were there, 6 rejected")
    store = EmbeddingStore.open(out)
    sizes = {item_id: frames.shape for item_id, frames in store.items()}
    name = "my récords"
    assert sizes == {f"{name}/eight.wav": (1, 10, 80), f"{name}/sub dir/né à.wav": (1, 100, 80), f"{name}/tiny.wav": (1, 1, 80)}
    reasons = {row["id"].removeprefix(f"{name}/"): row["reason"] for row in read_jsonl(out / "rejected.jsonl")}
    expected = {
        "cut.wav": "truncated", "empty.wav": "empty", "text.wav": "text.wav", "nan.wav": "NaN", "slow.wav": "3 Hz",
        "latin-\\udce9.wav": "UTF-8",
    }  # fmt: skip
    assert sorted(reasons) == sorted(expected)
    for item, word in expected.items():
        assert word in reasons[item] and "\n" not in reasons[item]
    assert len((out / "rejected.jsonl").read_text().splitlines()) == 6
    assert main(["embed", "logmel", str(folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("0 files embedded (0.00 h), 3 were there, 6 rejected")


def test_embed_options(capsys, wav, tmp_path):
    out = str(tmp_path / "out")
    options = ["--layers", "0", "--pool", "mean", "--shard", "0/1", "--dtype", "float32", "--device", "cpu"]
    assert main(["embed", "logmel", wav, "--out", out, *options]) == 0
    assert EmbeddingStore.open(out).pooled().shape == (1, 1, 80)
    capsys.readouterr()
    assert "digest" not in fails(capsys, "embed", "logmel", wav, "--out", out)  # same model, other contents


def test_in_a_process_of_its_own(tmp_path):
    """No warning and no traceback of any library gets between the user and the message."""
    code = "import sys; from audiossl.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "embed", "logmel", str(tmp_path / "x"), "--out", str(tmp_path / "out")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode == 2 and finished.stdout == ""
    assert finished.stderr == f"audiossl: expected a file or folder, found nothing at {tmp_path / 'x'}\n"


def test_the_parser_imports_nothing_heavy():
    code = "import sys; from audiossl import cli; cli._parser(); import json; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stdout)
    assert cli.__name__ in modules and not {"torch", "numpy", "lhotse", "rich"} & set(modules)


def test_models_lists_what_load_takes(capsys):
    assert main(["models"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"logmel", "hama", "resemblyzer", "marcoyang/spear-base-speech"} <= set(names) and len(names) == len(set(names)) == 17


def test_export_writes_what_other_frameworks_load(capsys, tmp_path):
    assert main(["export", "hear", "logmel", "--out", str(tmp_path / "my_embed.py")]) == 0
    assert main(["export", "s3prl", "logmel", "--out", str(tmp_path / "upstream")]) == 0
    assert (tmp_path / "my_embed.py").is_file() and (tmp_path / "upstream" / "hubconf.py").is_file()
    hear = ["export", "hear", "logmel", "--out", str(tmp_path / "my_embed.py")]
    assert main([*hear, "--layers", "0", "--pooling", "mean+max"]) == 0
    assert "OPTIONS = {'layers': [0], 'pooling': 'mean+max'}" in (tmp_path / "my_embed.py").read_text()
    capsys.readouterr()
    assert "--layers last, all or 2,4" in fails(capsys, *hear, "--layers", "some")
    said = fails(capsys, "export", "s3prl", "logmel", "--out", str(tmp_path / "x"), "--layers", "all")
    assert "export s3prl takes the options padding, got layers" in said
    assert "hf takes no options, got a" in fails(capsys, "export", "hf", "logmel", "--out", str(tmp_path / "x"), "a=1")
    assert "did you mean hear?" in fails(capsys, "export", "haer", "logmel", "--out", str(tmp_path / "x"))
    assert "expected a Zipformer" in fails(capsys, "export", "hf", "logmel", "--out", str(tmp_path / "hf"))


def test_every_key_of_a_recipe_is_printed_with_its_default_and_meaning(capsys):
    recipe = Path(__file__).parents[1] / "recipes" / "hapt" / "frame_projection.yaml"
    assert main(["run", str(recipe), "--keys"]) == 0
    said = capsys.readouterr().out
    assert (
        "\ntraining.max_steps: a whole number or null = null\n    optimiser steps; where it is None, `epochs` counts.\n" in said
    )
    assert "\nmodels.NAME.kind: frame_projection | simclr | " in said and " | encoder | my_module:MyClass, required\n" in said
    assert said.startswith("dataset: text, required, hapt in this recipe\n")

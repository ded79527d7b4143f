"""Runs that commit ba6cba2 wrote open: what is finished stays as it is, what was interrupted goes on, and nothing is deleted.

`tests/earlier_runs/ba6cba2.zip` holds three recipes and their runs: of speech up to the tokens, with a pre-training that was
stopped after its checkpoint of step 2 of 4; of sensors and of BOLD up to the scores.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

import audiossl
from audiossl.errors import StoreError
from audiossl.files import read_json
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.provenance import folder_digests
from audiossl.tokens.store import TokenStore

# Its prepare scripts are those of the commit, word for word.
pytestmark = pytest.mark.filterwarnings("ignore:.*the old name goes:DeprecationWarning")

RUNS = Path(__file__).parents[1] / "earlier_runs" / "ba6cba2.zip"
RECIPES = {"speech": "spear.yaml", "sensors": "sensors.yaml", "bold": "connectivity.yaml"}


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    """The folder of the runs; it is the working directory, as it was when they were made."""
    with zipfile.ZipFile(RUNS) as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path / "runs"


def run(earlier: Path, name: str, *overrides: str, **options) -> Path:
    return run_pipeline(earlier.parent / "recipes" / name / RECIPES[name], [f"output={name}", *overrides], **options)


@pytest.mark.parametrize("name", ["sensors", "bold"])
@pytest.mark.parametrize("overrides", [[], ["training.log_every=7", "training.num_threads=1", "training.device=auto"]])
def test_finished_runs_are_scored_anew_and_all_else_is_up_to_date_whatever_is_only_told(earlier, capsys, name, overrides):
    """Intervals have another meaning than at ba6cba2, so scores are made again; the earlier ones are kept."""
    before = folder_digests(earlier / name)
    run(earlier, name, *overrides, last="evaluate")
    said = capsys.readouterr().err
    after = folder_digests(earlier / name)
    assert said.count("up to date") == len({path.split("/")[0] for path in before if "/" in path}) - 1
    assert "evaluate      running: " in said
    (kept,) = (earlier / name).glob("evaluate.*")
    moved = {path.replace("evaluate/", f"{kept.name}/"): digest for path, digest in before.items()}
    assert {path for path in moved if after.get(path) != moved[path]} <= {"recipe.json", "results.json"}
    run(earlier, name, *overrides, last="evaluate")
    assert "all stages are up to date" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_and_nothing_is_lost(earlier, capsys):
    partial = earlier / "speech" / ".pretrain.partial"
    before = {path: digest for path, digest in folder_digests(earlier / "speech").items() if not path.startswith(".")}
    drawn = folder_digests(partial / "random")
    run(earlier, "speech", last="pretrain")
    said = capsys.readouterr().err
    assert said.count("up to date") == 5 and "resumed from" in said and "step-00000002.pt" in said
    after = folder_digests(earlier / "speech")
    assert {path for path in before if after.get(path) != before[path]} <= {"recipe.json"}
    assert not partial.exists() and folder_digests(earlier / "speech" / "pretrain" / "random") == drawn
    assert read_json(earlier / "speech" / "pretrain" / "result.json")["steps"] == 4
    run(earlier, "speech", "training.log_every=5", "training.health_frames=10", last="pretrain")
    assert "all stages are up to date" in capsys.readouterr().err


def test_an_interrupted_run_with_another_rate_is_set_aside_whole_and_taken_up_again(earlier, capsys):
    before = folder_digests(earlier / "speech" / ".pretrain.partial")
    run(earlier, "speech", "training.lr=0.01", last="pretrain")
    (kept,) = (earlier / "speech").glob("pretrain.*.partial")
    said = capsys.readouterr().err
    assert folder_digests(kept) == before and kept.name in said and "MB" in said
    run(earlier, "speech", last="pretrain")
    said = capsys.readouterr().err
    assert "training.lr was 0.01, is 0.045" in said and f"taken up again from {kept.name}" in said and "resumed from" in said
    assert len(list((earlier / "speech").glob("pretrain.*"))) == 1, "that of the other rate"


def test_what_was_made_of_them_opens(earlier):
    assert audiossl.load(earlier / "bold").embed(torch.randn(8, 60), 0.5).frames.shape[1] == 4
    assert audiossl.load(earlier / "sensors").embed(torch.randn(3, 100), 50).frames.shape[1] == 4
    assert len(TokenStore.open(earlier / "speech" / "tokens" / "logmel")["s0"]) == 25


@pytest.mark.parametrize(("name", "model"), [("sensors", "model_vicreg"), ("bold", "model_infomax")])
def test_another_name_of_the_data_set_trains_again(earlier, capsys, name, model):
    run(earlier, name, "dataset=other", last="evaluate", dry_run=True)
    said = [line for line in capsys.readouterr().err.splitlines() if "would run" in line]
    assert said[0].startswith(model) and "dataset was" in said[0] and "is other" in said[0]
    assert [line.split()[0] for line in said] == [model, "evaluate"], "models that are not trained stay"


def test_records_of_files_are_verified(earlier):
    run(earlier, "bold", last="evaluate")
    (earlier / "bold" / "recordings" / "set" / "set.json").write_text("{}")
    with pytest.raises(StoreError, match="2 of 5 stages"):  # the report was never made
        run(earlier, "bold", verify=True)

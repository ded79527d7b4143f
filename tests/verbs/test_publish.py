"""A run is published: the folder, the card, the upload to a stand-in of the hub, and what is refused before it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from hub_stub import TOKEN
from model_runs import ROWS, write_run
from own_student import MyEncoder

import audiossl
from audiossl.cli import main
from audiossl.errors import ConfigError
from audiossl.models import hub

FILES = ("README.md", "config.json", "model.safetensors", "preprocessor_config.json")
NAME = "anna/calls-student"


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint):
    return write_run(tmp_path_factory.mktemp("published") / "run", checkpoint)


def test_a_dry_run_writes_a_folder_that_loads_and_asks_nobody(run, checkpoint, tmp_path, hub_stub, capsys):
    command = ["publish", str(run), NAME, "--dry-run", "--out", str(tmp_path / "card"), "--licence", "Anna's own"]
    assert main(command) == 0 and main(command) == 0, "its own folder is written anew"
    assert hub_stub.asked == []
    assert tuple(sorted(path.name for path in (tmp_path / "card").iterdir())) == FILES
    printed = capsys.readouterr()
    assert "nothing was sent" in printed.out and "source and licence of the training data is not stated: --data" in printed.err
    assert "auto_map" not in json.loads((tmp_path / "card" / "config.json").read_text())
    signal = torch.randn(16000)
    assert torch.equal(audiossl.load(tmp_path / "card").embed(signal).frames, audiossl.load(checkpoint).embed(signal).frames)
    assert not [path for path in (tmp_path / "card").iterdir() if str(tmp_path.parent).encode() in path.read_bytes()]


def test_the_card_says_what_the_run_knows_and_no_more(run, tmp_path):
    done = audiossl.publish(run, NAME, dry_run=True, output=tmp_path / "card")
    card = (tmp_path / "card" / "README.md").read_text()
    for row in ROWS:
        ends = "" if row.low is None else f" [{100 * row.low:.1f}, {100 * row.high:.1f}] ({row.groups})"
        assert f"| {100 * row.value:.1f}{ends} |" in card
    for said in (
        "It was trained to predict tokens of hama, layer 2.",
        "calls: 3 recordings, 2 speakers, 0.00 hours, labelled en, es",
        "commit 0123456, seed 3.",
        "Layers that were read, chosen on validation items: speaker 2.",
        "A clip has the same frames alone and in a padded batch",
        "Intervals are over 8 groups",
        "| Licence of the weights | not stated by its author |",
        "Source and licence of these data: not stated by its author.",
        f'audiossl.load("{NAME}")',
        "spear.yaml on calls, seed 3",
    ):
        assert said in card
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["language"] == ["en", "es"] and metadata["library_name"] == "audiossl" and "license" not in metadata
    assert done.facts.parameters == sum(weight.numel() for weight in audiossl.load(run).encoder.parameters())


def test_what_the_author_states_takes_the_place_of_what_is_not_known(run, tmp_path):
    how = {"licence": "Apache-2.0", "languages": ["nl"], "data": "own recordings, CC-BY-4.0"}
    done = audiossl.publish(audiossl.Run(run), NAME, dry_run=True, output=tmp_path / "card", **how)
    card = (tmp_path / "card" / "README.md").read_text()
    metadata = yaml.safe_load(card.split("---")[1])
    assert (metadata["license"], metadata["language"], "license_name" in metadata) == ("apache-2.0", ["nl"], False)
    assert "not stated" not in card and "own recordings, CC-BY-4.0." in card
    assert (done.facts.licence, done.facts.known_languages) == ("Apache-2.0", ("nl",))


def test_what_is_sent_comes_back(run, checkpoint, hub_stub):
    done = audiossl.publish(run, NAME, private=True, licence="mit")
    kept = hub_stub.repositories[NAME]
    assert done.address == f"{hub_stub.url}/{NAME}" and tuple(sorted(kept.files)) == done.files == FILES and kept.private
    assert kept.files["model.safetensors"] == (checkpoint / "model.safetensors").read_bytes()
    model, signal = audiossl.load(NAME), torch.randn(16000)
    assert torch.equal(model.embed(signal).frames, audiossl.load(checkpoint).embed(signal).frames)
    audiossl.publish(run, NAME, private=True, licence="apache-2.0")
    assert len(kept.commits) == 3 and b"license: apache-2.0" in kept.files["README.md"]


def test_encoders_from_outside_and_by_name(run, tmp_path):
    for number, (encoder, name) in enumerate(((MyEncoder(), ""), (audiossl.load("logmel").encoder, "logmel"))):
        other = shutil.copytree(run, tmp_path / str(number))
        hub.save(encoder, other / "pretrain" / "student", name=name)
        how = {"dry_run": True, "output": tmp_path / f"card{number}"}
        if not name:
            with pytest.raises(ConfigError, match="nothing was imported"):
                audiossl.publish(other, NAME, **how)
        audiossl.publish(other, NAME, trust_code=not name, **how)
        card = (tmp_path / f"card{number}" / "README.md").read_text()
        assert ('trust_code="own_student:MyEncoder"' in card) == (not name) and "AutoModel" not in card
        loaded = audiossl.load(tmp_path / f"card{number}", trust_code=not name)
        assert type(loaded.encoder) is type(encoder)
    hub.save(encoder, other / "pretrain" / "student", name=f"dasheng:{__file__}")
    with pytest.raises(ConfigError, match="which only this machine has"):
        audiossl.publish(other, NAME, dry_run=True, output=tmp_path / "card")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("student", r"expected owner/name, .* got 'student': say whose"),
        ("anna/my student", "Repo id must use alphanumeric"),
        ("anna/x/y", "Repo id must be in the form"),
        ("anna/a--b", "Cannot have -- or"),
    ],
)
def test_names_that_cannot_be(run, hub_stub, name, complaint):
    with pytest.raises(ConfigError, match=complaint):
        audiossl.publish(run, name)
    assert hub_stub.asked == []


def test_what_is_missing_is_said_before_anything_is_sent(run, hub_stub, tmp_path, monkeypatch, checkpoint):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("kept")
    (tmp_path / "bare" / "pretrain").mkdir(parents=True)
    (tmp_path / "bare" / "pretrain" / "student").symlink_to(checkpoint)
    (tmp_path / "bare" / "recipe.json").write_text("{}")
    for place, how, complaint in (
        (tmp_path / "nowhere", {}, "there is no folder"),
        (tmp_path / "other", {}, "holds no trained encoder"),
        (checkpoint, {}, "lies in no run.*push_to_hub"),
        (tmp_path / "bare", {}, "has no results.json: run its recipe to the stage evaluate"),
        (run, {"output": tmp_path / "other"}, "holds other files"),
        (run, {"dry_run": True}, "say which, output=DIR"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            audiossl.publish(place, NAME, **how)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="log in with `hf auth login`, or set HF_TOKEN"):
        audiossl.publish(run, NAME)
    assert hub_stub.asked == [] and (tmp_path / "other" / "mine.txt").read_text() == "kept"


def test_what_the_hub_refuses(run, hub_stub, monkeypatch):
    audiossl.publish(run, NAME)
    commits = list(hub_stub.repositories[NAME].commits)
    with pytest.raises(ConfigError, match="is there already and is public: nothing was sent"):
        audiossl.publish(run, NAME, private=True)
    hub_stub.refuses_commits = True
    with pytest.raises(ConfigError, match=r"did not take the files of anna/calls-student: .*the same call sends them again"):
        audiossl.publish(run, NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ConfigError, match=r"does not give the repository anna/new, nothing was sent: .*401"):
        audiossl.publish(run, "anna/new")
    assert hub_stub.repositories[NAME].commits == commits and "anna/new" not in hub_stub.repositories


@pytest.mark.slow
def test_the_command_finds_another_hub_by_its_address(run, hub_stub, tmp_path):
    variables = {
        **os.environ,
        "HF_ENDPOINT": hub_stub.url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "audiossl", "publish", str(run), NAME, "--private"]
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [*FILES, f"{hub_stub.url}/{NAME}"]
    assert hub_stub.repositories[NAME].private

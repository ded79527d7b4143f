"""Fine-tuning from the command line on small copies of LibriSpeech and AudioSet, and that it can learn."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from finetune_data import RECIPES, TAGS, make_audioset, make_librispeech, save_encoder, speak
from page_words import prose_of, raw_python
from torch import nn

import audiossl
from audiossl.cli import main
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.evaluation.error_rates import count_errors
from audiossl.files import read_json, read_jsonl, write_json
from audiossl.models import hub
from audiossl.models.encoder import Frames
from audiossl.models.hub import untrained_like
from audiossl.models.run_folder import encoder_identity
from audiossl.objectives.ctc import CTC, CTCConfig
from audiossl.objectives.labelled_batch import collate_labelled
from audiossl.objectives.specaugment import SpecAugmentConfig
from audiossl.objectives.text_units import TextConfig, fit_units
from audiossl.pipelines.catalogue import METHODS
from audiossl.pipelines.finetune import check_unseen
from audiossl.pipelines.finetune.batches import LabelledBatches
from audiossl.pipelines.finetune.config import FinetuneRecipe
from audiossl.pipelines.finetune.ctc import Transcripts
from audiossl.pipelines.finetune.data import CorpusStage, divide_kept
from audiossl.pipelines.finetune.tuned_model import load_tuned, save_tuned
from audiossl.pipelines.prepare_script import PrepareScript, load_script
from audiossl.pipelines.script_source import ScriptSource
from audiossl.pipelines.sides import SplitConfig
from audiossl.pipelines.unseen import trained_ids, write_trained_on
from audiossl.recipe import read_recipe
from audiossl.signals.corpora.corpus import Corpus
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

QUICK = [
    "training.max_steps=4", "training.batch_seconds=12", "max_item_seconds=10", "training.checkpoint_every=2",
    "training.average_every=0", "training.device=cpu", "training.tensorboard=false", "evaluation.bootstrap=20",
]  # fmt: skip


def rows_of(output: Path) -> dict[tuple[str, str, str], dict]:
    return {(row["task"], row["model"], row["metric"]): row for row in json.loads((output / "results.json").read_text())}


def test_ctc_run(tmp_path, capsys):
    data, encoder, output = make_librispeech(tmp_path / "data"), save_encoder(tmp_path / "encoder"), tmp_path / "a run"
    options = [f"data_root={data}", f"output={output}", "ctc.freeze_steps=2", *QUICK]
    command = ["finetune", str(encoder), str(RECIPES / "librispeech" / "ctc_100.yaml"), *options]
    write_trained_on(encoder, ["heard in pre-training"])
    assert main(command) == 0
    own = set(read_json(output / "corpus" / "splits.json")["train"])
    assert trained_ids(str(output / "train" / "model" / "encoder")) == {"heard in pre-training", *own}
    rows = rows_of(output)
    assert {task for task, _, _ in rows} == {"ctc", "ctc_test-clean", "ctc_test-other"}
    assert {(model, metric) for _, model, metric in rows} == {(m, r) for m in ("finetuned", "random") for r in ("wer", "cer")}
    assert rows["ctc", "finetuned", "wer"]["n"] == 22 and rows["ctc_test-clean", "random", "wer"]["n"] == 11
    # Where every group loses every word there is no interval: another group may lose more.
    assert all(
        row["value"] == 1 if row["low"] is None else 0 <= row["low"] <= row["value"] <= row["high"] for row in rows.values()
    )
    assert all(row["groups"] > 1 for row in rows.values())
    page = (output / "report.html").read_text()
    assert page.count("<audio") == 8 and "one two three" in page and "Fine-tuned minus random" in page
    assert not raw_python(prose_of(output / "report.html"))

    model = output / "train" / "model"
    objective, units = load_tuned(model)
    corpus = Corpus.open(output / "corpus" / "corpus")
    answers = read_jsonl(output / "evaluate" / "finetuned.jsonl")
    targets = {item.id: torch.zeros(1) for item in corpus}
    test = corpus.subset(row["id"] for row in answers)
    found = {}
    for batch in LabelledBatches(test, targets, 4.0, seed=9).whole():  # other batches, the same answers
        found |= {id_: units.decode(said) for id_, said in zip(batch.ids, objective.predict(batch), strict=True)}
    assert found == {row["id"]: row["answer"] for row in answers}
    assert audiossl.load(model / "encoder").embed(speak("ONE"), 16000).frames.shape[1] == 32

    assert main(command) == 0
    assert "all stages are up to date" in capsys.readouterr().err
    assert main([*command, "--dry-run", "training.lr=0.01"]) == 0
    assert capsys.readouterr().err.count("would run") == 4  # data and labels stay
    hub.save(untrained_like(hub.load(encoder), seed=7), encoder)  # other weights behind the same name
    assert main([*command, "--dry-run"]) == 0 and capsys.readouterr().err.count("would run") == 4
    (model / "head.safetensors").write_bytes(b"torn")
    with pytest.raises(StoreError, match="expected a fine-tuned model"):
        load_tuned(model)


def test_tagging_run(tmp_path):
    data, output = make_audioset(tmp_path / "data", count=10), tmp_path / "run"
    encoder = save_encoder(tmp_path / "encoder")
    recipe = str(RECIPES / "audioset" / "tagging_20k.yaml")
    options = [f"data_root={data}", f"encoder={encoder}", f"output={output}", "tagging.freeze_steps=2", "random=false", *QUICK]
    assert main(["run", recipe, *options]) == 0
    rows = rows_of(output)
    assert set(rows) == {("tagging", "finetuned", "map"), ("tagging", "finetuned", "auroc")}
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 and row["n"] == 9 for row in rows.values())
    objective, classes = load_tuned(output / "train" / "model")
    assert classes == list(TAGS.values()) and objective.head["output"].out_features == 4
    assert objective.config.mixup == 0.5 and objective.config.spec_augment.time_warp == 80
    by_tag = read_json(output / "evaluate" / "details.json")["tags"]["finetuned"]
    assert by_tag["Never"] is None and 0 < by_tag["Speech"] <= 1


class Plain(nn.Module):
    """An encoder that is no Zipformer: means of 10 ms."""

    sample_rate, frame_rate, last_frame_rate, frame_offset = 16000.0, 100.0, 100.0, 0.005
    dim, num_layers, min_samples, alignment = 6, 1, 160, 160

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(160, 6)

    def forward(self, signal, lengths):
        return Frames.from_layers([self.linear(signal[:, 0].unfold(1, 160, 160))], lengths // 160)


def test_an_encoder_of_another_kind_is_saved_and_built_again_by_its_name(tmp_path, monkeypatch):
    units = fit_units(["one two"], TextConfig())
    objective = CTC(Plain(), units.size, CTCConfig(spec_augment=SpecAugmentConfig(probability=0.0), downsample=2)).eval()
    save_tuned(objective, Transcripts({}, units), "ctc", tmp_path / "model", "hf:plain")
    named = []
    monkeypatch.setattr("audiossl.teachers.hugging_face.load_named", lambda wanted: named.append(wanted.name) or Plain())
    again, _ = load_tuned(tmp_path / "model")
    batch = collate_labelled(["a"], [torch.randn(1, 3200)], [torch.ones(1)])
    assert named == ["plain"] and torch.equal(again.log_probs(batch)[0], objective.log_probs(batch)[0])
    assert torch.equal(again.log_probs(batch)[1], torch.tensor([10]))
    assert torch.equal(audiossl.load(tmp_path / "model").encoder.linear.weight, objective.encoder.model.linear.weight)
    # Up to commit ba6cba2 head.json had the name, and the encoder's folder no config.
    (tmp_path / "model" / "encoder" / "config.json").unlink()
    head = read_json(tmp_path / "model" / "head.json")
    write_json(tmp_path / "model" / "head.json", {**head, "encoder": "hf:plain"})
    earlier, _ = load_tuned(tmp_path / "model")
    assert torch.equal(earlier.log_probs(batch)[0], objective.log_probs(batch)[0])
    write_json(tmp_path / "model" / "head.json", {**head, "encoder": "my_module:Plain"})
    with pytest.raises(ConfigError, match="nothing was imported"):
        load_tuned(tmp_path / "model")


@pytest.mark.parametrize(
    "recipe",
    sorted(path for path in RECIPES.glob("*/*.yaml") if path.parent.name != "own"),  # which tests/pipelines/own runs
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_recipe_can_be_read(recipe):
    config = read_recipe(recipe, [], {method: kind for method, (kind, _) in METHODS.items()})
    of_one_set = recipe.parent.name != "battle"  # whose recipes are of several
    assert config.dataset.startswith(recipe.parent.name) or not of_one_set
    assert (recipe.parent / config.prepare).is_file()


def test_usage(tmp_path, capsys):
    recipe = str(RECIPES / "asterisk" / "ctc.yaml")
    for arguments, expected in (
        (["one", "two", recipe], "expected [ENCODER] RECIPE [key=value ...]"),
        (["runs/asterisk"], "cannot read runs/asterisk"),
        ([str(RECIPES / "asterisk" / "spear.yaml")], "'method' that is one of finetune"),
        ([str(tmp_path), recipe], "holds no model.safetensors; pre-train it first"),
        ([recipe, "max_item_seconds=31"], "does not fit into training.batch_seconds"),
        ([recipe, "parts={train: [a]}"], "train, test and perhaps valid; wrong or missing: test"),
    ):
        assert main(["finetune", *arguments, "--dry-run"]) == 2
        assert expected in capsys.readouterr().err


def test_what_is_missing_is_said_before_training(tmp_path, capsys, monkeypatch):
    data, output = make_librispeech(tmp_path / "data"), tmp_path / "run"
    options = [f"data_root={data}", f"encoder={save_encoder(tmp_path / 'encoder')}", f"output={output}", *QUICK]
    command = ["run", str(RECIPES / "librispeech" / "ctc_100.yaml"), *options]
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "jiwer", None)
        assert main(command) == 2 and 'pip install "audiossl[finetune]"' in capsys.readouterr().err
    assert not (output / "train").exists()
    assert (
        main(
            [
                *command,
                "evaluation.by=colour",
                "random=false",
                "training.max_steps=1",
                "training.accumulate=1",
                "max_item_seconds=1.1",
            ]
        )
        == 2
    )
    left_out = read_json(output / "train" / "result.json")["left_out"]
    assert left_out["100-7-0000"] == "longer than 1.1 s" and "100-7-0001" not in left_out
    assert "8 test items, such as '104-7-0000', have no 'colour'" in capsys.readouterr().err


def test_an_encoder_that_heard_the_test_items_is_refused(tmp_path):
    write_json(tmp_path / "corpus" / "splits.json", {"train": ["a", "b"], "valid": ["c"], "test": ["d"]})
    check_unseen(["c", "d", "e"], str(tmp_path))
    check_unseen(["a"], "marcoyang/spear-base-speech")
    with pytest.raises(ConfigError, match="1 of 2 test items, such as 'b'"):
        check_unseen(["b", "d"], str(tmp_path))


def test_sides(tmp_path):
    script = load_script(RECIPES / "librispeech" / "prepare.py", ["prepare_corpus"]).module
    script.prepare_corpus(tmp_path / "corpus", make_librispeech(tmp_path / "data"), None)
    items = Corpus.open(tmp_path / "corpus").items
    recipe = FinetuneRecipe("librispeech", "ctc", "x", parts={"train": ["train-clean-100"], "test": ["test-clean", "test-other"]})
    assert recipe.output == Path("runs/librispeech_ctc")
    stage = CorpusStage(ScriptSource(Path(), PrepareScript(script, [], ())), {}, recipe.parts, SplitConfig(), 1)
    sides = divide_kept(items, stage)
    assert {side: len(ids) for side, ids in sides.items()} == {"train": 4, "valid": 0, "test": 8}
    assert len(divide_kept(items, replace(stage, keep={"speaker": ["100", "104", "106"]}))["test"]) == 4
    split = SplitConfig("speaker", train=0.6, valid=0.0, test=0.4)
    drawn = divide_kept(items, replace(stage, parts={}, split=split))
    assert sum(map(len, drawn.values())) == 16
    with pytest.raises(DataError, match="kept by keep"):
        divide_kept(items, replace(stage, keep={"speaker": ["nobody"]}))
    with pytest.raises(DataError, match="belongs to test"):
        divide_kept(items, replace(stage, parts={"train": ["train-clean-100"], "test": ["dev-other"]}))


def test_identity_and_twin(tmp_path):
    assert encoder_identity("hf:some/name") == "hf:some/name"
    folder = save_encoder(tmp_path / "encoder")
    encoder = hub.load(folder)
    twin, again = untrained_like(encoder, 1), untrained_like(encoder, 1)
    weights = [model.encoder_embed.state_dict() for model in (twin, again, encoder, untrained_like(encoder, 2))]
    name = next(iter(weights[0]))
    assert torch.equal(weights[0][name], weights[1][name])
    assert not any(torch.equal(weights[0][name], other[name]) for other in weights[2:])
    with pytest.raises(ConfigError, match="not for a LogMelEncoder"):
        untrained_like(audiossl.load("logmel").encoder, 1)


def test_four_utterances_are_learned(tmp_path):
    texts = ["one two", "three four", "two three one", "four one"]
    units = fit_units(texts, TextConfig())
    signals = [torch.from_numpy(speak(text.upper())).float()[None] for text in texts]
    batch = collate_labelled(texts, signals, [torch.tensor(units.encode(text)) for text in texts])
    torch.manual_seed(1)
    config = CTCConfig(freeze_steps=0, dropout=0.0, spec_augment=SpecAugmentConfig(probability=0.0))
    ctc = CTC(hub.load(save_encoder(tmp_path / "encoder")), units.size, config)
    training = TrainingConfig(
        optimiser="adamw", lr=0.01, schedule="cosine", warmup_steps=10, max_steps=60, device="cpu", tensorboard=False
    )
    fit(ctc, lambda epoch, first, batches: [batch] * (20 - first), training, tmp_path)
    answers = dict(zip(texts, map(units.decode, ctc.eval().predict(batch)), strict=True))
    errors = count_errors({text: text for text in texts}, answers, dict.fromkeys(texts, "all"))["cer"]
    assert float(errors.edits.sum() / errors.total.sum()) < 0.1, answers

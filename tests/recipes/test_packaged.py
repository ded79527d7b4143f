"""The packaged recipe on miniature packages in their true layouts: what is read, and that no test clip is ever pre-trained on."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queen_files import pack_dialogue, write_archive

from audiossl.cli import main
from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.fetch import fetch

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "packaged" / "spear.yaml"
PREPARE = load_script(RECIPE.with_name("prepare.py")).module
SIDES = sys.modules[f"{PREPARE.__package__}.sides"]
QueenArchive = sys.modules[f"{PREPARE.__package__}.queen_archive"].QueenArchive
QUEEN, FILLETS, RUSSIAN, DRUMS = (getattr(PREPARE, name) for name in ("amazon_queen", "fillets", "festvox_ru", "drumkits"))


def tone(path: Path, seconds: float = 0.5, rate: int = 16_000, file_format: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(round(seconds * rate)) / 9), rate, format=file_format)
    return path


# Flight of the Amazon Queen


@st.composite
def games(draw):
    """Entries of an archive: few words and few recordings, so that dialogues often share both, and clips of no dialogue."""
    characters = draw(st.lists(st.sampled_from(["BOB", "APE", "TAM", "WEDGE"]), min_size=1, unique=True))
    words, sounds = (
        st.sampled_from(["Okay.", "okay", "Go away.", "Who are you?", "A new line."]),
        st.binary(min_size=500, max_size=501),
    )
    recordings = draw(st.lists(sounds, min_size=2, max_size=6))
    entries, key = {}, 1
    for character in characters:
        for number in range(1, draw(st.integers(1, 6)) + 1):
            key += 1
            hero, other = ([(line + 1, text) for line, text in enumerate(draw(st.lists(words, max_size=3)))] for _ in range(2))
            entries[f"{character}{number}.DOG"] = pack_dialogue(key, hero, other)
            for who, lines in (("J", hero), ("P", [*other, (9, "")])):
                entries |= {f"{key:02d}{line:04X}{who}1.SB": draw(st.sampled_from(recordings)) for line, _ in lines}
            entries[f"{key:02d}XXXXJ1.SB"] = draw(st.sampled_from(recordings))
    for name in ("JOE00011.SB", "JOE00021.SB", "C13D_021.SB", "C13D_031.SB", "97SSSSSS.SB"):
        entries[name] = draw(st.sampled_from(recordings))
    return entries


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(games(), st.randoms(use_true_random=False))
def test_no_test_clip_is_pre_trained_on(tmp_path, entries, random):
    archive = QueenArchive.open(write_archive(tmp_path / "queen.1c", entries))
    planned = {item.path.name: item for item in QUEEN.plan(archive)}
    test = [item for item in planned.values() if item.custom.get("part") == "test"]
    words = {re.sub(r"\W", "", (item.text or "").lower()) for item in test} - {""}
    for name, item in planned.items():
        if item.custom["side"] != "probe":
            assert entries[name] not in {entries[other.path.name] for other in test}
            assert re.sub(r"\W", "", (item.text or "").lower()) not in words
            assert item.custom.get("dialogue") not in {other.custom["dialogue"] for other in test}
        assert (item.custom["side"] == "probe") == (item in test)
    assert not any("XXXX" in name or "SSSS" in name for name in planned)

    shuffled = list(entries.items())
    random.shuffle(shuffled)
    again = QueenArchive.open(write_archive(tmp_path / "shuffled.1c", dict(shuffled)))
    assert QUEEN.plan(again) == list(planned.values())


@given(st.dictionaries(st.sampled_from(["BOB", "APE", "TAM"]), st.lists(st.integers(1, 300), min_size=1, max_size=9), min_size=1))
def test_who_speaks_twice_is_in_training_and_test(files):
    clips = [
        QUEEN.DialogueClip(f"{character}{i}", f"{character}{i}", who, None, float(seconds))
        for character, lengths in files.items()
        for i, seconds in enumerate(lengths)
        for who in (character, QUEEN.HERO)
    ]
    parts = QUEEN.split_dialogues(clips)
    assert parts == QUEEN.split_dialogues(clips[::-1])
    for character, lengths in files.items():
        count = Counter(parts[f"{character}{i}"] for i in range(len(lengths)))
        assert count["train"] >= 1
        assert (count["test"] >= 1) == (len(lengths) >= 2) and (count["valid"] >= 1) == (len(lengths) >= 3)
        assert count["test"] <= max(1, len(lengths) / 4) and count["valid"] <= max(1, len(lengths) / 5)


def write_game(root: Path) -> dict[str, int]:
    mp3 = tone(root / "clip.mp3", 1.5, 11_025, "MP3").read_bytes()
    entries: dict[str, bytes] = {"JOE00011.SB": mp3 + bytes(1), "C13D_021.SB": mp3 + bytes(2)}
    for key, name in enumerate(["BOB1", "BOB2", "BOB3", "TAM1", "TAM2", "WEDGE"], start=2):
        entries[f"{name}.DOG"] = pack_dialogue(key, [(1, f"I am Joe, {name}.")], [(1, f"*FLI am *01{name}.")])
        entries |= {f"{key:02d}0001{clip}.SB": mp3 + bytes([key, i]) for i, clip in enumerate(("J1", "P2", "P3"))}
    write_archive(root / QUEEN.ARCHIVE, entries)
    return {"clips": 20, "dialogue files": 6, "dialogue clips": 18}


def test_clips_become_a_corpus_with_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(QUEEN, "COUNTS", write_game(tmp_path / "root"))
    monkeypatch.setattr(QUEEN, "MIN_CHARACTER_SECONDS", 4.0)
    (tmp_path / "scratch").mkdir()
    build_corpus(QUEEN.items(tmp_path / "root", None, tmp_path / "scratch"), tmp_path / "corpus", progress=False)
    corpus = Corpus.open(tmp_path / "corpus")
    assert len(corpus) == 16  # "I am" is said in both test dialogues, and left out of the four others
    spoken = {item.id: (item.speaker, item.text) for item in corpus.items}
    assert spoken["amazon-queen/020001J1"] == ("JOE", "I am Joe, BOB1.")
    assert spoken["amazon-queen/020001P3"] == ("BOB", "BOB1.")
    assert spoken["amazon-queen/JOE00011"] == (None, None)
    rows, splits = QUEEN.labels(corpus)
    assert Counter(row["label"] for row in rows) == {"JOE": 6, "BOB": 4, "TAM": 3}  # WEDGE has 1.5 s in all
    side = {item.id: item.custom["side"] for item in corpus.items}
    assert {id_ for id_, where in side.items() if where == "probe"} == set(splits["test"])
    assert all(splits.values()) and sorted(row["id"] for row in rows) == sorted(id_ for ids in splits.values() for id_ in ids)


def test_another_version_of_the_game_is_refused(tmp_path):
    write_game(tmp_path)
    with pytest.raises(DataError, match=r"'clips': 20.*expected.*6745"):
        QUEEN.items(tmp_path, None, tmp_path)


# festvox-ru


def test_phone_labels(tmp_path):
    (tmp_path / "ru_0001.lab").write_text(
        "signal ru\nnfields 1\n#\n\t0.34200 125 pau\n0.39200 125 k\n0.39200 125 rr\n0.5 125 ay\n"
    )
    assert RUSSIAN.read_phones(tmp_path / "ru_0001.lab") == [("pau", 0.0, 0.342), ("k", 0.342, 0.392), ("ay", 0.392, 0.5)]


@pytest.mark.parametrize("body", ["#\n0.5 125 a\n0.4 125 b\n", "#\n0.5 a\n", "#\n", "0.5 125 a\n"])
def test_bad_phone_labels_are_refused(tmp_path, body):
    (tmp_path / "bad.lab").write_text(body)
    with pytest.raises(DataError, match=r"bad\.lab"):
        RUSSIAN.read_phones(tmp_path / "bad.lab")


def test_utterance_texts_lose_their_stress_marks(tmp_path):
    (tmp_path / "texts").write_text('( ru_0001 "прядь вол+ос, \\"так\\"" )\n( ru_0002 "Да" )\n', encoding="utf-8")
    assert RUSSIAN.read_texts(tmp_path / "texts") == {"ru_0001": 'прядь волос, \\"так\\"', "ru_0002": "Да"}


def test_utterances_are_held_out_at_even_distances():
    names = [f"ru_{number:04d}" for number in range(1, 621)]
    parts = RUSSIAN.split_utterances(names[::-1])
    assert Counter(parts.values()) == {"train": 504, "valid": 56, "test": 60}
    for part in ("valid", "test"):
        places = np.array([names.index(name) for name, where in parts.items() if where == part])
        assert np.diff(np.sort(places)).max() < 16


# Fish Fillets


def test_lines_of_a_level(tmp_path):
    (tmp_path / "dialogs_cs.lua").write_text(
        'dialogId("a", "font_big", "He said \\"no\\".")\ndialogStr("Řekl\\nne.")\n\ndialogId("b", "font_small", "Only English")\n'
        'dialogId("a", "font_other", "Again")\ndialogStr("Znovu")\n',
        encoding="utf-8",
    )
    lines = FILLETS.read_lines(tmp_path / "dialogs_cs.lua")
    assert lines == {"a": ("font_big", 'He said "no".', "Řekl ne."), "b": ("font_small", "Only English", None)}


def test_clips_find_their_line_at_home_or_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(FILLETS, "CLIPS", {"cs": 3})
    monkeypatch.setattr(FILLETS, "MUSIC", 0)
    monkeypatch.setattr(FILLETS, "EFFECTS", 1)
    speech, game = (tmp_path / name / FILLETS.GAME for name in ("fillets-ng-data-cs", "fillets-ng-data"))
    for clip in ("city/cs/a", "share/black/cs/b", "city/cs/c"):
        tone(speech / "sound" / f"{clip}.ogg")
    tone(game / "sound" / "city" / "en" / "bang.ogg")
    for file, text in {"city/dialogs_cs": "Ano", "city/demo_dialogs_cs": "Ne", "share/black_dialogs_cs": "Možná"}.items():
        id_ = "b" if file.startswith("share") else "a"
        path = game / "script" / f"{file}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'dialogId("{id_}", "font_big", "yes")\ndialogStr("{text}")\n', encoding="utf-8")
    found = {item.id: item for item in FILLETS.speech("cs", tmp_path, None)}
    assert {id_: item.text for id_, item in found.items()} == {
        "fillets-ng-data-cs/city/a": "Ano", "fillets-ng-data-cs/city/c": None, "fillets-ng-data-cs/share/black/b": "Možná",
    }  # fmt: skip
    assert found["fillets-ng-data-cs/city/a"].speaker == "cs/big"
    assert found["fillets-ng-data-cs/city/a"].custom["english"] == "yes"
    assert [item.id for item in FILLETS.sounds(tmp_path, None)] == ["fillets-ng-data/sound/city/en/bang"]


# Drums

OLD = "<instrument><name>{}</name><filename>{}</filename></instrument>"
NEW = "<instrument><name>{}</name>{}</instrument>"


def layered(name: str, *files: str) -> str:
    return NEW.format(name, "".join(f"<layer><filename>{file}</filename></layer>" for file in files))


def write_kit(folder: Path, *instruments: str, namespace: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    body = "".join(instruments)
    for file in re.findall(r"<filename>(.*?)</filename>", body):
        if "missing" not in file:
            tone(folder / file)
    kit = folder / "drumkit.xml"
    kit.write_text(f"<drumkit_info {namespace}><instrumentList>{body}</instrumentList></drumkit_info>")
    return kit


def test_strokes_are_chosen_in_turn(tmp_path):
    kit = write_kit(
        tmp_path / "kit", layered("Snare 1", "s1.wav", "s2.wav", "s3.wav"), layered("Snare 2", "t1.wav", "t2.wav", "t3.wav"),
        layered("Closed HH", "h.wav", "missing.wav"), OLD.format("BassDrum", "k.wav"), OLD.format("Pearl Tom 2", "tom.wav"),
        OLD.format("Hand Clap", "c.wav"), layered("Snare again", "s1.wav"), '<instrument><name>Crash</name></instrument>',
        namespace='xmlns="http://www.hydrogen-music.org/drumkit"',
    )  # fmt: skip
    chosen: dict[str, list[str]] = defaultdict(list)
    for path, label in DRUMS.choose(kit):
        chosen[label].append(path.name)
    assert chosen == {
        "snare": ["s1.wav", "t1.wav", "s2.wav", "t2.wav", "s3.wav"], "hihat": ["h.wav"], "kick": ["k.wav"], "tom": ["tom.wav"],
    }  # fmt: skip


def test_kits_of_few_classes_are_not_probed(tmp_path):
    assert DRUMS.choose(write_kit(tmp_path, *(OLD.format(name, f"{name}.wav") for name in ("Kick", "Snare", "Hat")))) == []


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Closed HH", "hihat"), ("Side OHH", "hihat"), ("Hat Op Dirty", "hihat"), ("f#3 - hi-hat closed", "hihat"),
        ("Sabian Hat Pedal", "hihat"), ("Ride Jazz", "cymbal"), ("China (Paiste Alpha 18\")", "cymbal"), ("b3 - low tom", "tom"),
        ("Tom Hi", "tom"), ("c3 - bass drum 1", "kick"), ("BassDrum", "kick"), ("Snare Rimshot", "snare"), ("Stick", None),
        ("Hand Clap", None), ("Sangban1 Bell Hit", None), ("Custom", None),
    ],
)  # fmt: skip
def test_drum_classes(name, label):
    assert DRUMS.drum_class(name) == label


def test_damaged_kit_is_refused(tmp_path):
    (tmp_path / "drumkit.xml").write_text("<drumkit_info>")
    with pytest.raises(DataError, match="cannot be read as a drum kit"):
        DRUMS.read_kit(tmp_path / "drumkit.xml")


def test_folds_leave_kits_out(tmp_path, monkeypatch):
    kits = tmp_path / "root" / DRUMS.KITS
    for number in range(4):
        write_kit(kits / f"Kit {number}", *(OLD.format(name, f"{name}.wav") for name in ("Kick", "Snare", "Hat", "Tom", "Clap")))
    monkeypatch.setattr(DRUMS, "COUNTS", {"wav": 20})
    items = DRUMS.items(tmp_path / "root", None)
    assert len(items) == 20 and {item.custom["side"] for item in items} == {"probe"}
    build_corpus(items, tmp_path / "corpus", progress=False)
    rows, splits, folds = DRUMS.labels(Corpus.open(tmp_path / "corpus"))
    assert len(rows) == 16 and all("Clap" not in row["id"] for row in rows)
    assert {kit: len(ids) for kit, ids in folds.items()} == dict.fromkeys(["Kit 0", "Kit 1", "Kit 2", "Kit 3"], 4)
    kits_of = {part: {id_.split("/")[1] for id_ in ids} for part, ids in splits.items()}
    assert kits_of == {"train": {"Kit 0", "Kit 2"}, "test": {"Kit 1"}, "valid": {"Kit 3"}}


# Sides


@given(st.sets(st.text("abc", min_size=1, max_size=4), max_size=80))
def test_few_groups_validate(groups):
    valid = SIDES.valid_groups(groups)
    assert valid <= groups and len(valid) <= max(1, len(groups) / 12)
    assert bool(valid) == (len(groups) >= 2)


@given(st.lists(st.sampled_from(["train", "valid", "probe"]), max_size=90), st.integers(1, 20))
def test_thinning_leaves_no_side_empty(sides, limit):
    items = [Item(str(i), Path("x.wav"), custom={"side": side}) for i, side in enumerate(sides)]
    kept = SIDES.thin(items, limit)
    assert {item.custom["side"] for item in kept} == set(sides)
    assert sum(item.custom["side"] == "train" for item in kept) <= limit
    assert [int(item.id) for item in kept] == sorted(int(item.id) for item in kept)


# Everything, on the real packages


@pytest.fixture
def packages():
    """The packages of the recipe, or a visible skip where neither a client nor a cache has them."""
    if shutil.which("apt-get") is None:
        pytest.skip("the recordings come as Debian packages, and there is no apt-get here")
    try:
        fetch("deb:festvox-ru")
    except DataError as error:
        pytest.skip(f"the packages cannot be fetched here: {error}")


@pytest.mark.slow
def test_smoke_run(packages, tmp_path):
    output = tmp_path / "run"
    small = [
        "limit=24", "training.max_steps=4", "training.validate_every=2", "evaluation.bootstrap=30",
        "streams.speech.quantiser.fit_frames=3000", "streams.speech.quantiser.codebook_size=16",
        "streams.audio.quantiser.fit_frames=2000", "streams.audio.quantiser.codebook_size=16",
    ]  # fmt: skip
    assert main(["run", str(RECIPE), f"output={output}", *small]) == 0
    rows = json.loads((output / "results.json").read_text())
    assert {row["task"] for row in rows} == {"frame_phones", "character", "drums"}
    assert {row["model"] for row in rows} == {"student", "teacher", "teacher_audio", "logmel", "random"}
    metrics = [json.loads(line) for line in (output / "pretrain" / "metrics.jsonl").read_text().splitlines()]
    assert {"speech_accuracy_masked", "audio_accuracy_masked"} <= set(metrics[-1])
    assert "Tokens: audio" in (output / "report.html").read_text()


@pytest.mark.slow
def test_smoke_corpus_of_real_packages(packages, tmp_path):
    PREPARE.prepare_corpus(tmp_path / "corpus", None, 40)
    corpus = Corpus.open(tmp_path / "corpus")
    PREPARE.prepare_labels(tmp_path, corpus, None, 40)
    assert {item.custom["domain"] for item in corpus.items if item.custom["side"] == "train"} == {"speech", "audio"}
    side = {item.id: item.custom["side"] for item in corpus.items}
    for task in ("frame_phones", "character", "drums"):
        labelled = {json.loads(line)["id"] for line in (tmp_path / f"{task}.jsonl").read_text().splitlines()}
        splits = json.loads((tmp_path / f"{task}.splits.json").read_text())
        assert all(splits.values()) and set().union(*splits.values()) == labelled
        assert {side[id_] for id_ in splits["test"]} == {"probe"}

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from encoded import ffmpeg, libsndfile, moved_after, sounds, with_size
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError, StoreError
from audiossl.files import read_json, read_jsonl
from audiossl.signals.audio import read_audio
from audiossl.signals.corpora.corpus import Corpus, CorpusSummary, Item, build_corpus
from audiossl.signals.corpora.corpus_faults import COUNTED, complaints
from audiossl.signals.corpora.manifest import audio_name
from audiossl.signals.levels import measure


def write(
    path: Path, seconds: float = 0.5, rate: int = 16_000, num_channels: int = 1, subtype: str = "PCM_16", seed: int = 0
) -> Path:
    shape = (round(seconds * rate), num_channels)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, shape), rate, subtype=subtype)
    return path


@pytest.fixture
def sources(tmp_path: Path) -> list[Item]:
    """Good recordings of every kind, in an order that sorting would change."""
    folder = tmp_path / "source recordings"
    folder.mkdir()
    return [
        Item("z/1", write(folder / "z 1.wav", 0.7, seed=1), "hello", "anna", "en", {"prompt": "p1", "take": 2, "gain": 0.5}),
        Item("привет мир", write(folder / "привет мир.flac", 0.5, seed=2), "привет", "boris", "ru", {"prompt": "p2"}),
        Item("a/44k", write(folder / "a.wav", 0.61, 44_100, 2, seed=3), speaker="anna"),
        Item("a 44k", write(folder / "b.ogg", 0.9, 8000, subtype="VORBIS", seed=4)),
        Item("8ch", write(folder / "c.wav", 0.3, 48_000, 8, seed=5), text="eight"),
    ]


@pytest.mark.parametrize("transcode", [True, False])
def test_build_and_read(tmp_path: Path, sources: list[Item], transcode: bool) -> None:
    out = tmp_path / "corpus"
    summary = build_corpus(sources, out, transcode=transcode)
    assert (summary.num_items, summary.num_rejected, summary.rejected) == (5, 0, {})
    assert summary.hours * 3600 == pytest.approx(0.7 + 0.5 + 0.61 + 0.9 + 0.3, abs=1e-3)
    corpus = Corpus.open(out)
    assert [item.id for item in corpus] == [item.id for item in sources]
    assert len(corpus) == 5
    for item, source in zip(corpus.items, sources, strict=True):
        signal = corpus.read(item)
        original, _ = read_audio(source.path, 16_000)
        assert len(signal) == item.num_samples == len(original)
        assert float((signal - original).abs().max()) <= (0.5 / 32768 + 1e-6 if transcode else 0)
        assert (item.text, item.speaker, item.language, item.custom) == (
            source.text,
            source.speaker,
            source.language,
            source.custom,
        )
        assert item.recording == item.id
    assert corpus.durations == [item.num_samples / 16_000 for item in corpus.items]
    assert repr(corpus) == f"Corpus({len(corpus)} items, {sum(corpus.durations) / 60:.1f} min at 16000 Hz)"


def test_sixteen_bit_recordings_are_transcoded_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    integers = np.concatenate([np.arange(-32768, 32768), [-32768, 32767]]).astype(np.int16)
    soundfile.write(path, integers, 16_000)
    assert build_corpus([Item("a", path)], tmp_path / "c").num_clipped == 0
    item = Corpus.open(tmp_path / "c").items[0]
    np.testing.assert_array_equal(soundfile.read(item.path, dtype="int16")[0], integers)
    assert soundfile.info(item.path).subtype == "PCM_16"


def test_clipping_is_counted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", np.linspace(-1.5, 1.5, 4000), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "full.wav", np.linspace(-1, 1, 4000), 16_000, subtype="FLOAT")
    summary = build_corpus([Item(name, tmp_path / f"{name}.wav") for name in ("loud", "full")], tmp_path / "c")
    assert summary.num_clipped == 1
    corpus = Corpus.open(tmp_path / "c")
    expected = np.clip(np.linspace(-1.5, 1.5, 4000), -1, 1)
    np.testing.assert_allclose(corpus.read(corpus.items[0]).numpy(), expected, atol=1.01 / 32768)


def counts(summary: CorpusSummary) -> dict[str, int]:
    """What destroys the signal of some items, where any does."""
    found = {name: getattr(summary, f"num_{name}") for name in COUNTED}
    return {name: count for name, count in found.items() if count}


def stereo(path: Path, left: np.ndarray, right: np.ndarray, subtype: str = "PCM_16", rate: int = 16_000) -> Path:
    soundfile.write(path, np.stack([left, right], 1), rate, subtype=subtype)
    return path


@pytest.mark.parametrize("transcode", [True, False])
@pytest.mark.parametrize(
    ("gains", "fault", "kept"),
    [((1, -1), "cancelled", 0), ((0.5, -1), "cancelled", 1), ((0, 1), "dead_channels", 1), ((1, 1e-4), "dead_channels", 0)],
)
def test_the_channel_that_survives_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], transcode: bool, gains: tuple[float, float], fault: str, kept: int
) -> None:
    signal = sounds(3.0, 16_000)
    path = stereo(tmp_path / "a.wav", gains[0] * signal, gains[1] * signal)
    summary = build_corpus([Item("a", path, "hello")], tmp_path / "c", transcode=transcode)
    assert counts(summary) == {fault: 1}
    assert read_json(tmp_path / "c" / "corpus.json")[f"num_{fault}"] == 1
    assert "c: 1 item is" in capfd.readouterr().err.replace("\n", "")
    corpus = Corpus.open(tmp_path / "c")
    whole = corpus.read(corpus.items[0])
    np.testing.assert_allclose(whole.numpy(), gains[kept] * signal, atol=1 / 32768)
    assert torch.equal(corpus.read(corpus.items[0], 20_000, 999), whole[20_000:20_999])
    assert corpus.items[0].text == "hello"
    assert measure(path).channels == (kept,)
    if not transcode:
        from lhotse.qa import validate

        validate(corpus.cuts(), read_data=True)
        np.testing.assert_allclose(corpus.cuts()[0].load_audio()[0], whole.numpy(), atol=1e-6)


def test_ordinary_stereo_is_averaged_as_ever(tmp_path: Path) -> None:
    left, right = sounds(1.0, 16_000), sounds(1.0, 16_000, seed=1)
    path = stereo(tmp_path / "a.wav", left, right)
    assert counts(build_corpus([Item("a", path)], tmp_path / "c")) == {}
    corpus = Corpus.open(tmp_path / "c")
    assert soundfile.info(corpus.items[0].path).subtype == "PCM_16"
    assert float((corpus.read(corpus.items[0]) - read_audio(path)[0]).abs().max()) <= 0.5 / 32768
    build_corpus([Item("a", path)], tmp_path / "d", transcode=False)
    assert Corpus.open(tmp_path / "d").items[0].channels == (0, 1)


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
@pytest.mark.parametrize("level", [1.0, 1e-4])
def test_more_than_16_bits_are_kept(tmp_path: Path, subtype: str, level: float) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, level * sounds(1.0, 16_000), 16_000, subtype=subtype)
    assert counts(build_corpus([Item("a", path)], tmp_path / "c")) == ({"quiet": 1} if level < 1 else {})
    corpus = Corpus.open(tmp_path / "c")
    assert soundfile.info(corpus.items[0].path).subtype == "PCM_24"
    assert float((corpus.read(corpus.items[0]) - read_audio(path)[0]).abs().max()) <= 0.5 / 2**23


def test_quiet_recordings_of_other_rates_get_24_bits(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 2e-4 * sounds(1.0, 44_100), 44_100)
    assert counts(build_corpus([Item("a", tmp_path / "a.wav")], tmp_path / "c")) == {"quiet": 1}
    corpus = Corpus.open(tmp_path / "c")
    assert float((corpus.read(corpus.items[0]) - read_audio(tmp_path / "a.wav", 16_000)[0]).abs().max()) <= 0.5 / 2**23


def test_silence_clipping_gaps_and_headers_are_counted(tmp_path: Path) -> None:
    signal = sounds(3.0, 48_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16_000)
    soundfile.write(tmp_path / "clipped.wav", np.clip(8 * signal, -1, 1), 48_000)
    (tmp_path / "gap.webm").write_bytes(moved_after(ffmpeg(signal, 48_000, "libopus", "webm"), "webm", 1.9, 0.4))
    (tmp_path / "mended.wav").write_bytes(with_size(libsndfile(signal, 48_000, "WAV"), "WAV", 4000))
    items = [Item(path.name, path) for path in sorted(tmp_path.iterdir())]
    for transcode in (True, False):
        summary = build_corpus(items, tmp_path / f"c{transcode}", transcode=transcode, progress=False)
        assert counts(summary) == dict.fromkeys(("silent", "clipped", "gaps", "mended"), 1)
        assert complaints(read_json(tmp_path / f"c{transcode}" / "corpus.json"))[0] == "1 item is silent"
        lengths = [item.num_samples for item in Corpus.open(tmp_path / f"c{transcode}")]
        assert lengths == [48_000, pytest.approx(3.4 * 16_000, abs=20), 48_000, 8000]


def test_a_rate_that_flac_cannot_hold_is_refused_before_work(tmp_path: Path) -> None:
    path = write(tmp_path / "bat.wav", rate=384_002)
    for rate in (384_002, 1_000_000):
        with pytest.raises(DataError, match=r"FLAC cannot hold .* Hz\. Take sample_rate="):
            build_corpus([Item("a", path)], tmp_path / "c", rate)
    build_corpus([Item("a", path)], tmp_path / "c", 384_002, transcode=False)
    corpus = Corpus.open(tmp_path / "c")
    assert torch.equal(corpus.read(corpus.items[0]), read_audio(path)[0])
    build_corpus([Item("a", path)], tmp_path / "d", 384_000)
    assert len(Corpus.open(tmp_path / "d").items) == 1


def test_every_bad_recording_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.wav", 1.0)
    truncated = write(tmp_path / "truncated.wav", 1.0)
    truncated.write_bytes(truncated.read_bytes()[:-1000])
    cut_flac = write(tmp_path / "cut.flac", 20.0)
    cut_flac.write_bytes(cut_flac.read_bytes()[: cut_flac.stat().st_size // 2])
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0] * 9000 + [np.nan] * 9), 16_000, subtype="FLOAT")
    bad = {
        "missing": tmp_path / "no such.wav",
        "empty": tmp_path / "empty.wav",
        "unreadable": tmp_path / "text.wav",
        "zero_length": tmp_path / "none.wav",
        "non_finite": tmp_path / "nan.wav",
        "sample_rate": write(tmp_path / "slow.wav", 100, 3),
        "too_short": write(tmp_path / "short.wav", 0.05),
        "too_long": write(tmp_path / "long.wav", 30.1),
        "truncated": truncated,
        "duplicate_id": good,
    }
    items = [Item("good", good), *(Item("good" if reason == "duplicate_id" else reason, path) for reason, path in bad.items())]
    items += [Item("cut", cut_flac), Item("good 2", good)]
    for transcode in (True, False):
        out = tmp_path / f"corpus {transcode}"
        summary = build_corpus(items, out, max_seconds=30.0, transcode=transcode)
        rows = read_jsonl(out / "rejected.jsonl")
        assert [row["reason"] for row in rows] == [*bad, "truncated"]
        assert [row["path"] for row in rows] == [*map(str, bad.values()), str(cut_flac)]
        assert [row["id"] for row in rows] == [item.id for item in items[1:-1]]
        assert all(row["path"] in row["message"] for row in rows)
        assert summary.rejected == dict.fromkeys(sorted(bad), 1) | {"truncated": 2}
        assert read_json(out / "corpus.json")["rejected"] == summary.rejected
        assert (summary.num_items, summary.num_rejected) == (2, 11)
        assert [item.id for item in Corpus.open(out)] == ["good", "good 2"]
        assert len(list(out.rglob("*.flac"))) == 2 * transcode  # nothing is left of the rejected
    said = capfd.readouterr()
    assert not said.out and [line for line in said.err.splitlines() if "came under another id" not in line] == []


def test_nothing_accepted_is_an_error_and_leaves_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    out = tmp_path / "c"
    with pytest.raises(DataError, match=r"no recording was accepted.*2 missing, 1 empty. The first: .*no such file"):
        build_corpus([Item("a", tmp_path / "x"), Item("b", tmp_path / "y"), Item("c", tmp_path / "empty.wav")], out)
    with pytest.raises(DataError, match="there were none"):
        build_corpus([], out)
    assert not out.exists()


def test_other_folders_are_not_replaced(tmp_path: Path, sources: list[Item]) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"exists and is not a corpus"):
        build_corpus(sources, out)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    build_corpus(sources, out)  # an empty folder is taken
    build_corpus(sources[:2], out)  # an older corpus is replaced
    assert len(Corpus.open(out)) == 2
    inside = Corpus.open(out).items[0].path
    with pytest.raises(DataError, match="which the new corpus replaces"):
        build_corpus([Item("a", inside)], out)
    assert inside.exists()


def test_a_corpus_can_be_moved(tmp_path: Path, sources: list[Item]) -> None:
    build_corpus(sources, tmp_path / "old")
    signals = [Corpus.open(tmp_path / "old").read(item) for item in Corpus.open(tmp_path / "old")]
    (tmp_path / "deep").mkdir()
    shutil.move(tmp_path / "old", tmp_path / "deep" / "new name")
    corpus = Corpus.open(tmp_path / "deep" / "new name")
    assert all(torch.equal(corpus.read(item), signal) for item, signal in zip(corpus.items, signals, strict=True))


def test_equal_input_gives_equal_files(tmp_path: Path, sources: list[Item]) -> None:
    build_corpus(sources, tmp_path / "a", num_workers=1)
    build_corpus(iter(sources), tmp_path / "b", num_workers=4)
    files = {path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")}
    assert files == {path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.*")}
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_excerpts_and_subsets(tmp_path: Path, sources: list[Item]) -> None:
    build_corpus(sources, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    item = corpus.items[0]
    assert torch.equal(corpus.read(item, 100, 300), corpus.read(item)[100:400])
    assert torch.equal(corpus.read(item, 100), corpus.read(item)[100:])
    with pytest.raises(DataError, match=r"samples 11000 to 11300 of item 'z/1' are wanted; it has 11200"):
        corpus.read(item, 11_000, 300)
    part = corpus.subset(["8ch", "z/1"])
    assert [item.id for item in part] == ["z/1", "8ch"]
    assert sorted(cut.id for cut in part.cuts()) == ["8ch", "z/1"]
    with pytest.raises(DataError, match="1 ids are not in the corpus, such as 'nobody'"):
        corpus.subset(["z/1", "nobody"])


def test_a_file_that_has_changed_is_found(tmp_path: Path, sources: list[Item]) -> None:
    build_corpus(sources, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    soundfile.write(corpus.items[0].path, np.zeros(4000), 16_000)
    with pytest.raises(DataError, match=r"item 'z/1': .*flac ends 7200 samples early"):
        corpus.read(corpus.items[0])
    corpus.items[1].path.unlink()
    with pytest.raises(DataError, match="no such file"):
        corpus.read(corpus.items[1])


def test_folders_that_are_not_corpora(tmp_path: Path, sources: list[Item]) -> None:
    with pytest.raises(StoreError, match=r"is not a corpus: corpus\.json is missing"):
        Corpus.open(tmp_path)
    out = tmp_path / "c"
    build_corpus(sources, out)
    whole = (out / "cuts.jsonl.gz").read_bytes()
    (out / "cuts.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="damaged"):
        Corpus.open(out)
    (out / "cuts.jsonl.gz").unlink()
    with pytest.raises(StoreError, match=r"cuts\.jsonl\.gz is missing"):
        Corpus.open(out)
    build_corpus(sources, out)
    summary = read_json(out / "corpus.json")
    (out / "corpus.json").write_text(json.dumps(summary | {"num_items": 6}))
    with pytest.raises(StoreError, match="has 5 items of 6"):
        Corpus.open(out)
    (out / "corpus.json").write_text(json.dumps(summary | {"format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        Corpus.open(out)


# lhotse


@pytest.mark.parametrize("transcode", [True, False])
def test_the_manifest_is_one_of_lhotse(tmp_path: Path, sources: list[Item], transcode: bool) -> None:
    from lhotse import CutSet, MonoCut
    from lhotse.qa import validate

    out = tmp_path / "c"
    build_corpus(sources, out, transcode=transcode)
    corpus = Corpus.open(out)
    cuts = CutSet.from_file(out / "cuts.jsonl.gz").to_eager()
    validate(cuts)
    assert [cut.id for cut in cuts] == [item.id for item in corpus]
    first = cuts[0]
    assert isinstance(first, MonoCut)
    assert (first.supervisions[0].text, first.supervisions[0].speaker, first.supervisions[0].language) == ("hello", "anna", "en")
    assert (first.prompt, first.take, first.gain) == ("p1", 2, 0.5)
    assert [cut.to_dict() for cut in cuts] == [json.loads(json.dumps(cut.to_dict())) for cut in cuts]
    resolved = corpus.cuts()
    validate(resolved, read_data=True)
    for cut, item in zip(resolved, corpus.items, strict=True):
        samples = np.atleast_2d(cut.load_audio()).mean(axis=0)
        if cut.sampling_rate == 16_000:
            np.testing.assert_allclose(samples, corpus.read(item).numpy(), atol=1e-6)


def test_any_lhotse_manifest_can_be_read(tmp_path: Path, sources: list[Item]) -> None:
    from lhotse import CutSet

    build_corpus(sources, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    for manifest in (tmp_path / "c" / "cuts.jsonl.gz", corpus.cuts()):
        again = Corpus.from_cuts(manifest)
        assert [(i.id, i.num_samples, i.text, i.speaker, i.language, i.custom) for i in again] == [
            (i.id, i.num_samples, i.text, i.speaker, i.language, i.custom) for i in corpus
        ]
        assert all(torch.equal(again.read(a), corpus.read(b)) for a, b in zip(again.items, corpus.items, strict=True))
        assert len(again.cuts()) == 5
    whole = corpus.read(corpus.items[0])
    windows = corpus.cuts().subset(first=1).cut_into_windows(0.3)
    parts = Corpus.from_cuts(windows)
    assert [part.recording for part in parts] == ["z/1"] * 3
    assert torch.equal(torch.cat([parts.read(part) for part in parts]), whole)
    with pytest.raises(DataError, match="same id"):
        Corpus.from_cuts(CutSet.from_cuts(list(windows) * 2))
    with pytest.raises(DataError, match=r"x\.jsonl cannot be read as a lhotse CutSet"):
        Corpus.from_cuts(tmp_path / "x.jsonl")


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # lhotse leaves files open
def test_cuts_that_only_lhotse_can_read(tmp_path: Path, sources: list[Item]) -> None:
    build_corpus(sources, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    first, second = corpus.items[:2]
    cut = corpus.cuts()[0]
    both = cut.append(corpus.cuts()[1]).with_id("both")
    from lhotse import CutSet

    mixed = Corpus.from_cuts(CutSet.from_cuts([both, cut.move_to_memory()]))
    item = mixed.items[0]
    assert (item.text, item.speaker, item.num_samples) == ("hello привет", None, first.num_samples + second.num_samples)
    expected = torch.cat([corpus.read(first), corpus.read(second)])
    assert float((mixed.read(item) - expected).abs().max()) < 1e-5
    assert torch.equal(mixed.read(item, 5, 50), mixed.read(item)[5:55])
    assert float((mixed.read(mixed.items[1]) - corpus.read(first)).abs().max()) < 1e-4


def test_one_channel_of_a_recording(tmp_path: Path) -> None:
    from lhotse import CutSet, Recording

    path = write(tmp_path / "two.wav", num_channels=2)
    cuts = CutSet.from_cuts([Recording.from_file(path).to_cut().to_mono()[1]])
    corpus = Corpus.from_cuts(cuts)
    assert torch.equal(corpus.read(corpus.items[0]), read_audio(path, channels=[1])[0])


def test_ten_thousand_items_open_in_about_a_second(tmp_path: Path) -> None:
    import gzip

    build_corpus([Item("a", write(tmp_path / "a.wav"), "text", "speaker", "en", {"prompt": "x"})], tmp_path / "c")
    with gzip.open(tmp_path / "c" / "cuts.jsonl.gz", "rt") as file:
        line = json.loads(file.read())
    with gzip.open(tmp_path / "c" / "cuts.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(line | {"id": str(number)}) + "\n" for number in range(10_000))
    summary = read_json(tmp_path / "c" / "corpus.json")
    (tmp_path / "c" / "corpus.json").write_text(json.dumps(summary | {"num_items": 10_000}))
    begin = time.process_time()
    assert len(Corpus.open(tmp_path / "c")) == 10_000
    assert time.process_time() - begin < 3  # type checks are on


# File names


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=120), st.text(max_size=120))
def test_names_are_safe_and_unique(first: str, second: str) -> None:
    name = audio_name(first)
    folder, file = name.split("/")
    assert len(folder) == 2
    assert len(file) < 120
    assert file.isascii()
    assert not set(file) & set(' /\\:*?"<>|') and not file.startswith((".", "-"))
    assert (audio_name(second).lower() == name.lower()) == (first == second)


@pytest.mark.parametrize("item_id", ["../../etc/passwd", "a/../b", "CON", "x" * 5000, "\n\t", "", "\udcff", "日本語"])
def test_awkward_ids_stay_inside_the_corpus(tmp_path: Path, item_id: str) -> None:
    build_corpus([Item(item_id, write(tmp_path / "a.wav")), Item("b", tmp_path / "a.wav")], tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    assert corpus.items[0].id == item_id
    assert corpus.items[0].path.resolve().is_relative_to((tmp_path / "c" / "audio").resolve())
    assert len(corpus.read(corpus.items[0])) == 8000


def test_a_manifest_of_recordings_is_read_as_whole_recordings(tmp_path):
    from lhotse import Recording, RecordingSet

    path = write(tmp_path / "a.wav", 0.4, num_channels=2)
    recordings = RecordingSet.from_recordings([Recording.from_file(path)])
    recordings.to_file(tmp_path / "recordings.jsonl.gz")
    for source in (recordings, tmp_path / "recordings.jsonl.gz"):
        corpus = Corpus.from_cuts(source)
        assert torch.equal(corpus.read(corpus.items[0]), read_audio(path)[0])


def test_manifests_without_cuts_say_what_they_hold(tmp_path):
    import gzip

    from lhotse import SupervisionSegment, SupervisionSet

    SupervisionSet.from_segments([SupervisionSegment("s", "a", 0, 0.1)]).to_file(tmp_path / "supervisions.jsonl")
    gzip.open(tmp_path / "empty.jsonl.gz", "wb").close()
    (tmp_path / "empty.jsonl").touch()
    for name, holds in (
        ("supervisions.jsonl", "supervisions, not cuts"),
        ("empty.jsonl", "no cuts"),
        ("empty.jsonl.gz", "no cuts"),
    ):
        with pytest.raises(DataError, match=f"holds {holds}"):
            Corpus.from_cuts(tmp_path / name)

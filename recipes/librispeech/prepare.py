"""LibriSpeech (openslr.org/12, CC BY 4.0): read English, about 960 h for training, in its official folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.files import write_json, write_jsonl
from audiossl.recipe import console
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.corpus import Corpus, CorpusItem, Item, build_corpus
from audiossl.signals.forced_phones import align_corpus_phones

# Utterances of each official part.
PARTS = {
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
}
SIDES = {"train": "train", "dev": "valid", "test": "test"}
LABELLED = {"train-clean-100": 1000, "dev-clean": 400, "test-clean": 600}  # utterances that are aligned for the phone probe


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Describe the parts that lie in `data_root/LibriSpeech` (the FLAC files stay where they are); `limit` is per part.

    Items have their text, their speaker and the custom fields `part`, such as `train-clean-100`, `side` (train, valid or test)
    and `chapter`.

    Raises:
        ConfigError: if `data_root` is not the folder that holds `LibriSpeech`.
        DataError: if an utterance has no transcript.
    """
    root = (data_root or Path()) / "LibriSpeech"
    found = [part for part in PARTS if (root / part).is_dir()]
    if not found:
        raise ConfigError(
            f"expected LibriSpeech/train-clean-100 and so on in data_root={data_root}, found none. Unpack the archives of "
            "openslr.org/12 into one folder and add data_root=FOLDER."
        )
    items = [item for part in found for item in _items(root / part, limit)]
    build_corpus(items, out, transcode=False)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """Align some utterances with their texts and write the phones of each; those that cannot be aligned are in rejected.jsonl."""
    chosen = [item for part, number in LABELLED.items() for item in _drawn(corpus, part, number)]
    phones, rejected = align_corpus_phones([(item.id, item.path, item.text or "") for item in chosen])
    write_jsonl(out / "frame_phones.jsonl", [{"id": id_, "segments": [phone[:3] for phone in phones[id_]]} for id_ in phones])
    write_jsonl(out / "rejected.jsonl", [{"id": id_, "reason": reason} for id_, reason in rejected.items()])
    write_json(out / "labels.json", {"aligned": len(phones), "rejected": len(rejected)})


def _drawn(corpus: Corpus, part: str, number: int) -> list[CorpusItem]:
    """The same utterances whatever else is in the corpus."""
    items = [item for item in corpus.items if item.custom["part"] == part]
    return sorted(items, key=lambda item: derive_seed("labelled", item.id))[:number]


def _items(folder: Path, limit: int | None) -> Iterator[Item]:
    paths = sorted(folder.glob("*/*/*.flac"))
    if len(paths) != PARTS[folder.name]:
        console.print(f"[yellow]{folder} holds {len(paths)} of {PARTS[folder.name]} utterances[/yellow]")
    texts: dict[str, str] = {}
    for path in paths[:limit]:
        speaker, chapter = path.parts[-3:-1]
        if path.stem not in texts:
            texts = _read_transcripts(path.parent / f"{speaker}-{chapter}.trans.txt")
        if path.stem not in texts:
            raise DataError(f"{path} has no line in {speaker}-{chapter}.trans.txt beside it. Unpack the archive again.")
        custom: dict[str, str | int | float] = {"part": folder.name, "side": SIDES[folder.name.split("-")[0]], "chapter": chapter}
        yield Item(path.stem, path, texts[path.stem], speaker, "en", custom)


def _read_transcripts(path: Path) -> dict[str, str]:
    """Lines `84-121123-0000 GO DO YOU HEAR`."""
    if not path.is_file():
        raise DataError(f"{path} is missing. Unpack the archive again.")
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {line[0]: line[1] for line in lines if len(line) == 2}

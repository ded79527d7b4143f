"""Asterisk core sounds: telephone prompts in five languages, from Debian packages; English phones by forced alignment.

About 2.1 h at 16 kHz (headerless G.722), 495 prompt names spoken in all five languages. English and Spanish are one speaker
(Allison Smith), the other languages one speaker each. Licences: CC-BY-SA-3.0 (en, es, fr), CC-BY-3.0 (it, ru).
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from audiossl.errors import DataError
from audiossl.files import write_json, write_jsonl
from audiossl.signals.audio import read_audio
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.fetch import fetch
from audiossl.signals.forced_phones import align_corpus_phones, join_words
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

# Folder of each language and its number of files in package version 1.6.1, silence included.
LANGUAGES = {
    "en": ("en_US_f_Allison", "allison", 568),
    "es": ("es_MX_f_Allison", "allison", 527),
    "fr": ("fr_CA_f_June", "june", 561),
    "it": ("it_IT_m_Carlo", "carlo", 599),
    "ru": ("ru_RU_f_IvrvoiceRU", "ivrvoice", 576),
}

WORD_PROMPTS = 15  # a word is a class of the word task if so many prompts hold it

# Words of the prompts that the pronunciation dictionary lacks.
LEXICON = {
    "unmute": "AH N M Y UW T",
    "unmuted": "AH N M Y UW T AH D",
    "touchtone": "T AH CH T OW N",
    "undelete": "AH N D IH L IY T",
    "undeleted": "AH N D IH L IY T AH D",
    "rerecord": "R IY R IH K AO R D",
    "prepend": "P R IY P EH N D",
    "uppercase": "AH P ER K EY S",
    "lowercase": "L OW ER K EY S",
    "semicolon": "S EH M IY K OW L AH N",
    "caret": "K EH R AH T",
    "backtick": "B AE K T IH K",
}


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Fetch the prompts and build the corpus; `limit` keeps the first so many prompts of English and Spanish, for a smoke run."""
    languages = ["en", "es"] if limit else list(LANGUAGES)
    items = [item for language in languages for item in prompts(language, data_root, limit)]
    build_corpus(items, out, min_seconds=0.2)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """Align the English prompts with their texts and write the labels of both tasks: phones, and frequent words."""
    english = [item for item in corpus.items if item.language == "en"]
    phones, rejected = align_corpus_phones([(item.id, item.path, item.text or "") for item in english], lexicon=LEXICON)
    words = {id_: join_words(aligned) for id_, aligned in phones.items()}
    prompts_with = Counter(word for spoken in words.values() for word in {word for word, _, _ in spoken})
    frequent = {word for word, count in prompts_with.items() if count >= (2 if limit else WORD_PROMPTS)}
    kept = {id_: [word for word in spoken if word[0] in frequent] for id_, spoken in words.items()}
    write_jsonl(out / "frame_phones.jsonl", [{"id": id_, "segments": [phone[:3] for phone in phones[id_]]} for id_ in phones])
    write_jsonl(out / "words.jsonl", [{"id": id_, "segments": segments} for id_, segments in kept.items() if segments])
    write_jsonl(out / "rejected.jsonl", [{"id": id_, "reason": reason} for id_, reason in rejected.items()])
    spoken_words = sum(map(len, kept.values()))
    counts = {"aligned": len(phones), "rejected": len(rejected), "different_words": len(frequent), "words": spoken_words}
    write_json(out / "labels.json", counts)


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the English prompts with their aligned words, each prompt as a subject of its own, so that none is on both sides."""
    items = {item.id: item for item in prompts("en", data_root, limit) if item.text}
    phones, rejected = align_corpus_phones([(id_, item.path, item.text or "") for id_, item in items.items()], lexicon=LEXICON)
    for id_, reason in rejected.items():
        yield Rejected(id_.replace("/", "."), f"{items[id_].path}: {reason}")
    for id_, aligned in phones.items():
        words = tuple(Annotation(start, end, word) for word, start, end in join_words(aligned))
        (audio, _), name = read_audio(items[id_].path, 16000), id_.replace("/", ".")
        yield SensorRecording(name, name, 16000.0, ("audio",), ("1",), audio.numpy()[None], {"word": words})


def prompts(language: str, data_root: Path | None, limit: int | None) -> Iterator[Item]:
    """Fetch the prompts of one language; silence is left out."""
    folder, speaker, count = LANGUAGES[language]
    sounds = f"usr/share/asterisk/sounds/{folder}"
    package = f"deb:asterisk-core-sounds-{language}"
    root = fetch(f"{package}-g722", data_root=data_root, expect={f"{sounds}/**/*.g722": count}) / sounds
    texts = read_prompts(fetch(package, data_root=data_root) / f"usr/share/doc/asterisk-core-sounds-{language}")
    paths = [path for path in sorted(root.rglob("*.g722")) if path.parent.name != "silence"]
    for path in paths[:limit]:
        prompt = path.relative_to(root).with_suffix("").as_posix()
        text = texts.get(prompt, "")
        yield Item(
            id=f"{language}/{prompt}", path=path, speaker=speaker, language=language, custom={"prompt": prompt},
            text=None if not text or text.startswith("[") else text,
        )  # fmt: skip


def read_prompts(folder: Path) -> dict[str, str]:
    """Read the `name: text` lines of a package's prompt list; comments start with a semicolon."""
    files = sorted(folder.glob("core-sounds-*.txt*"))
    if not files:
        raise DataError(f"no prompt list core-sounds-*.txt.gz below {folder}; install the package again")
    raw = files[0].read_bytes()
    text = (gzip.decompress(raw) if files[0].suffix == ".gz" else raw).decode("utf-8-sig")
    lines = [line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith(";")]
    return {name.strip(): spoken.strip() for name, spoken in lines}

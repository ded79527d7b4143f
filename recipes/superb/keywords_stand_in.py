"""KS stand-in: frequent words cut from English prompts by forced alignment, split by prompt (see asterisk/prepare.py)."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from audiossl.signals.forced_phones import align_corpus_phones, join_words

from ..asterisk.prepare import LEXICON, WORD_PROMPTS, prompts
from .task_folder import empty_rows, write_clip, write_task

MARGIN, MIN_SECONDS = 0.05, 0.12


def write(out: Path, data_root: Path | None) -> None:
    """Write the task: words that fifteen prompts hold; of five prompts one tests and one validates, by the hash of its name."""
    folder = out / "standin_ks_asterisk"
    items = {item.id: item for item in prompts("en", data_root, None) if item.text}
    phones, _ = align_corpus_phones([(id_, item.path, item.text or "") for id_, item in items.items()], lexicon=LEXICON)
    words = {id_: join_words(aligned) for id_, aligned in phones.items()}
    prompts_with = Counter(word for spoken in words.values() for word in {word for word, _, _ in spoken})
    rows = empty_rows()
    for id_, spoken in words.items():
        part = hashlib.blake2b(id_.encode(), digest_size=1).digest()[0] % 5
        split = {0: "test", 1: "valid"}.get(part, "train")
        for place, (word, start, end) in enumerate(spoken):
            if prompts_with[word] >= WORD_PROMPTS and end - start >= MIN_SECONDS:
                name = f"{id_.replace('/', '_')}_{place:02d}"
                first = max(0.0, start - MARGIN)
                path = write_clip(folder, name, items[id_].path, first, end + MARGIN - first)
                rows[split].append({"id": name, "wav_path": path, "label": word, "group": id_})
    known = {row["label"] for row in rows["train"]}
    for split in ("valid", "test"):
        rows[split] = [row for row in rows[split] if row["label"] in known]
    write_task(
        folder, "KS", rows, {"updates": 600, "lr": 1e-3, "evaluations": 6},
        "Asterisk prompts: frequent words of one voice, cut by forced alignment; no class of unknown words or silence",
    )  # fmt: skip

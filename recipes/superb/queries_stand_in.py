"""QbE stand-in: words cut out of English prompts, to be found in other prompts of the same voice (see asterisk/prepare.py)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audiossl.signals.audio import probe
from audiossl.signals.forced_phones import align_corpus_phones, join_words

from ..asterisk.prepare import LEXICON, prompts
from .task_folder import Rows, write_clip, write_task

QUERIES, DOCUMENTS = 24, 120  # of a table, at most
MIN_QUERY, MIN_DOCUMENT = 0.3, 1.0  # seconds
MARGIN = 0.02


def write(out: Path, data_root: Path | None) -> None:
    """Write the task; every second prompt by the hash of its name validates, the others test, and so do their words."""
    folder = out / "standin_qbe_asterisk"
    items = {item.id: item for item in prompts("en", data_root, None) if item.text}
    phones, _ = align_corpus_phones([(id_, item.path, item.text or "") for id_, item in items.items()], lexicon=LEXICON)
    spoken = {id_: join_words(aligned) for id_, aligned in phones.items()}
    rows: Rows = {}
    for number, split in enumerate(("valid", "test")):
        mine = [id_ for id_ in spoken if hashlib.blake2b(id_.encode(), digest_size=1).digest()[0] % 2 == number]
        documents = [id_ for id_ in mine if probe(items[id_].path).duration >= MIN_DOCUMENT][:DOCUMENTS]
        words = {id_: {word for word, _, _ in spoken[id_]} for id_ in documents}
        rows[split] = [
            {"id": id_, "wav_path": write_clip(folder, id_.replace("/", "_"), items[id_].path), "role": "document", "matches": ""}
            for id_ in documents
        ]
        asked: set[str] = set()
        for id_ in mine:
            for place, (word, start, end) in enumerate(spoken[id_]):
                found = [other for other in documents if other != id_ and word in words[other]]
                if (
                    word in asked
                    or end - start < MIN_QUERY
                    or not 1 <= len(found) <= len(documents) // 10
                    or len(asked) == QUERIES
                ):
                    continue
                asked.add(word)
                first = max(0.0, start - MARGIN)
                name = f"query_{id_.replace('/', '_')}_{place:02d}"
                path = write_clip(folder, name, items[id_].path, first, end + MARGIN - first)
                # The prompt that a query is cut from holds it too.
                matches = " ".join([*found, *([id_] if id_ in documents else [])])
                rows[split].append({"id": name, "wav_path": path, "role": "query", "matches": matches})
    write_task(folder, "QbE", rows, {}, "Asterisk prompts: words of one voice, some cut from a document that is searched")

"""Recordings to tokens at one go: a tokeniser is fitted to them, and they are encoded; the same call resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from audiossl.embedding.rejected import REJECTED
from audiossl.encoder_names import outside_place
from audiossl.engines import Engine
from audiossl.errors import StoreError
from audiossl.files import read_json, read_jsonl, write_json
from audiossl.pipelines.tokenise.corpus import Encoded, QuantiserConfig, encode_corpus
from audiossl.pipelines.tokenise.folders import open_recordings, open_tokeniser, rate_of, write_tokeniser
from audiossl.signals.corpora.places import Place
from audiossl.teachers.teacher import TeacherConfig, load_teacher
from audiossl.tokens.contract import Quantizer

TOKENISER, SETTINGS = "tokeniser", "tokeniser.json"


def fit_and_encode(
    paths: Place | Sequence[Place],
    out: Path,
    teacher: TeacherConfig,
    quantiser: QuantiserConfig,
    *,
    seed: int = 1,
    device: str = "cpu",
    engine: Engine = "local",
    num_workers: int | None = None,
    table: str | Path | None = None,
    where: str | None = None,
) -> tuple[Quantizer, Encoded]:
    """Fit a tokeniser to recordings, in `out/tokeniser`, and tokenise them into the store at `out`.

    An existing tokeniser is used, so that tokens of more recordings can be added; `tokeniser.json` says how it was made.

    Args:
        paths, table, where: arguments as `audiossl.signals.corpora.places.gather_places` takes them.
        out: folder of the store.
        teacher: teacher whose frames are quantised.
        quantiser: kind and sizes, frames to fit to, and quality of the search.
        seed: seed of the draw of recordings and of training.
        device: device of the teacher.
        engine, num_workers: arguments of `audiossl.engines.map_groups`.

    Raises:
        StoreError: if the tokeniser that is there was made otherwise.
        DataError: if no recording can be used.
    """
    settings = {"teacher": asdict(teacher), "quantiser": asdict(quantiser), "seed": seed}
    folder = out / TOKENISER
    if folder.exists():
        _require_same(out, settings)
        is_outside = outside_place(teacher.encoder) is not None
        model, fitted, _ = open_tokeniser(folder, device, trust_code=is_outside, trust_quantiser=quantiser.kind)
    else:
        model, fitted = load_teacher(teacher, device), None
    with open_recordings(paths, rate_of(model), table, where) as opened:
        if fitted is None:
            opened.usable()
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / SETTINGS, settings)
            fitted = write_tokeniser(opened, teacher, model, folder, quantiser, seed)
        how = out, quantiser.quality, True, engine, num_workers
        return fitted, encode_corpus(model, fitted, opened.corpus, *how, opened.recordings, opened.rejected)


def rejected_by(out: Path) -> list[dict[str, str]]:
    """What could not be used, by this call or those before it."""
    return read_jsonl(out / REJECTED)


def _require_same(out: Path, settings: dict[str, object]) -> None:
    try:
        old = read_json(out / SETTINGS)
        different = [name for name, value in settings.items() if old[name] != _as_json(value)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{out / TOKENISER} is there, and nothing says how it was made ({error!r}): choose another output"
        ) from error
    if different:
        said = "; ".join(f"{name} was {old[name]}" for name in different)
        raise StoreError(
            f"the tokeniser in {out} was made otherwise ({said}): tokens of two tokenisers never mix, choose another output"
        )


def _as_json(value: object) -> object:
    import json

    return json.loads(json.dumps(value, default=str))

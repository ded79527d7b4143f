"""Phone labels of English speech with known words: forced alignment with pocketsphinx.

The acoustic model is a small speaker-independent HMM, so boundaries are good to about 20 ms: enough to train and compare
probes on frames, not a phonetician's labels.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import AudiosslError, ConfigError, DataError, import_extra
from audiossl.signals.spoken_text import spoken_words

SAMPLE_RATE = 16000
_HOP_SECONDS = 0.01
_WINDOW_SECONDS = 0.025625  # of the en-us acoustic model
_MIN_PHONE_FRAMES = 3  # its HMMs have three states without skips

SILENCE = "SIL"
_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_STOPS = ("B", "CH", "D", "G", "JH", "K", "P", "T")
_FRICATIVES = ("DH", "F", "HH", "S", "SH", "TH", "V", "Z", "ZH")
_SONORANTS = ("L", "M", "N", "NG", "R", "W", "Y")
ARPABET = tuple(sorted(_VOWELS + _STOPS + _FRICATIVES + _SONORANTS))
PHONE_LABELS = (SILENCE, *ARPABET)  # the order that gives class numbers

Lexicon = tuple[tuple[str, str], ...]


class _Span(NamedTuple):
    """A phone as the decoder names it, from a 10 ms frame on."""

    name: str
    frame: int
    word: str
    place: int


class Phone(NamedTuple):
    """One phone of a clip: a label of `PHONE_LABELS` from `start` to `end`, in seconds.

    `word` is the word that it is part of and `place` that word's place in the clip; silence has none.
    """

    label: str
    start: float
    end: float
    word: str = ""
    place: int = -1


def align_phones(audio: Float[Tensor, "S"], text: str, lexicon: Mapping[str, str] | None = None) -> list[Phone]:
    """Find when each phone of a known English text is spoken.

    Two passes of pocketsphinx: words first (which also chooses among pronunciations and finds pauses), then phones inside the
    words. The result depends on this clip alone.

    Args:
        audio: samples in [-1, 1] at 16 kHz.
        text: what is said, in ordinary spelling (see `spoken_words`).
        lexicon: pronunciations of words that the CMU dictionary lacks, such as {"unmute": "AH N M Y UW T"}.

    Returns:
        phones in order, without gaps, from 0 to the end of the clip; boundaries lie midway between the centres of 10 ms frames.

    Raises:
        DataError: if the words are not certain or not in the dictionary, or the clip does not fit them.
        ConfigError: if the lexicon holds something other than ARPAbet phones.
        MissingExtraError: if pocketsphinx is not installed.

    >>> from audiossl.signals import read_audio
    >>> align_phones(read_audio("hello.wav", 16000)[0], "hello world")  # doctest: +SKIP
    [Phone(label='SIL', start=0.0, end=0.2), ...]
    """
    return _align(_decoder(_entries(lexicon)), _pcm(audio), text)


def align_corpus_phones(
    items: Iterable[tuple[str, Path | str | Tensor, str]], num_workers: int = 2, lexicon: Mapping[str, str] | None = None
) -> tuple[dict[str, list[Phone]], dict[str, str]]:
    """Align many clips, several at a time.

    Args:
        items: (id, path of an audio file or samples [S] at 16 kHz, text) of each clip.
        num_workers: processes to use; each loads the acoustic model once. 1 works in this process.
        lexicon: lexicon, as in `align_phones`.

    Returns:
        phones of each id that could be aligned, and the reason for each id that could not, both in the order of `items`.

    Raises:
        DataError: if an id comes twice or a worker process dies.
        ConfigError: if the lexicon holds something other than ARPAbet phones.
        MissingExtraError: if pocketsphinx is not installed.

    >>> phones, unusable = align_corpus_phones([("hello", "hello.wav", "hello world")])  # doctest: +SKIP
    """
    work: list[tuple[str, str | np.ndarray, str]] = []
    outcome: dict[str, list[Phone] | str] = {}
    for item_id, source, text in items:
        if item_id in outcome:
            raise DataError(f"the clip id '{item_id}' comes twice: ids must be unique to label their clips")
        outcome[item_id] = ""
        work.append((item_id, source.float().numpy(force=True) if isinstance(source, Tensor) else str(source), text))
    entries = _entries(lexicon)
    _pocketsphinx()  # a missing extra is reported here, not once per process
    align = partial(_align_item, entries=entries)
    if num_workers <= 1:
        outcome.update(map(align, work))
    else:
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(min(num_workers, max(1, len(work))), context, initializer=_start_worker) as pool:
                outcome.update(pool.map(align, work, chunksize=8))
        except BrokenProcessPool as error:
            raise DataError(
                "a process that aligned phones ended early (out of memory, or a script without `if __name__ == '__main__':`). "
                "Try again with num_workers=1."
            ) from error
    labels = {item_id: result for item_id, result in outcome.items() if isinstance(result, list)}
    rejected = {item_id: result for item_id, result in outcome.items() if isinstance(result, str)}
    return labels, rejected


def join_words(phones: Sequence[Phone]) -> list[tuple[str, float, float]]:
    """Words with their start and end in seconds, in order; silence is left out.

    >>> join_words([Phone("AY", 0.0, 0.1, "i", 0), Phone("AE", 0.1, 0.2, "am", 1), Phone("M", 0.2, 0.3, "am", 1)])
    [('i', 0.0, 0.1), ('am', 0.1, 0.3)]
    """
    words = []
    for _, part in groupby((phone for phone in phones if phone.place >= 0), key=lambda phone: phone.place):
        inside = list(part)
        words.append((inside[0].word, inside[0].start, inside[-1].end))
    return words


def label_frames(phones: Sequence[Phone], times: Float[Tensor, "T"]) -> torch.Tensor:
    """Class number (index into `PHONE_LABELS`) of the phone that is spoken at each time, in seconds; int64 of shape [T].

    Raises:
        DataError: if there are no phones.
    """
    if not phones:
        raise DataError("cannot label frames: the clip has no phones")
    ends = torch.tensor([phone.end for phone in phones[:-1]], dtype=torch.float64)
    classes = torch.tensor([PHONE_LABELS.index(phone.label) for phone in phones])
    return classes[torch.searchsorted(ends, times.double().cpu().contiguous(), right=True)]


def _align_item(item: tuple[str, str | np.ndarray, str], entries: Lexicon) -> tuple[str, list[Phone] | str]:
    item_id, source, text = item
    try:
        if isinstance(source, str):
            from audiossl.signals.audio import read_audio

            audio, _ = read_audio(Path(source), SAMPLE_RATE)
        else:
            audio = torch.from_numpy(source)
        return item_id, _align(_decoder(entries), _pcm(audio), text)
    except AudiosslError as error:
        return item_id, str(error)


def _start_worker() -> None:
    torch.set_num_threads(1)


def _pocketsphinx() -> Any:
    return import_extra("pocketsphinx", extra="demo")


@cache
def _decoder(entries: Lexicon) -> Any:
    # No language model: the words are given. A best path through the word lattice may leave a word too few frames for its phones,
    # and then the second pass fails.
    decoder = _pocketsphinx().Decoder(lm=None, bestpath=False, loglevel="FATAL")
    for word, pronunciation in entries:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, pronunciation, True)
    return decoder


def _entries(lexicon: Mapping[str, str] | None) -> Lexicon:
    """The lexicon as a key of the decoder cache."""
    for word, pronunciation in (lexicon or {}).items():
        if (
            not pronunciation.split()
            or not set(pronunciation.split()) <= set(ARPABET)
            or word != word.lower()
            or not word.strip()
        ):
            raise ConfigError(
                f"the lexicon entry '{word}: {pronunciation}' must be a lower-case word and ARPAbet phones without stress, "
                "such as 'unmute: AH N M Y UW T'"
            )
    return tuple(sorted((lexicon or {}).items()))


def _pcm(audio: Float[Tensor, "..."]) -> bytes:
    """16-bit samples for the decoder."""
    if audio.ndim != 1:
        raise DataError(
            f"a clip to align must be one channel of shape [S], this one has shape {list(audio.shape)}: mix it down first"
        )
    if not bool(torch.isfinite(audio).all()):
        raise DataError("the clip holds NaN or infinite samples")
    return (audio.float().clamp(-1, 1) * 32767).round().to(torch.int16).cpu().numpy().tobytes()


def _align(decoder: Any, pcm: bytes, text: str) -> list[Phone]:
    words = spoken_words(text, lambda word: decoder.lookup_word(word) is not None)
    seconds = len(pcm) / 2 / SAMPLE_RATE
    num_phones = sum(len(decoder.lookup_word(word).split()) for word in words)
    if seconds < num_phones * _MIN_PHONE_FRAMES * _HOP_SECONDS + _WINDOW_SECONDS:
        raise DataError(f"the clip is too short for its text: {seconds:.2f} s for {num_phones} phones")
    try:
        decoder.set_align_text(" ".join(words))
        _decode(decoder, pcm)
        if decoder.hyp() is None:
            raise DataError("no alignment was found: the clip does not seem to hold its text")
        decoder.set_alignment()
        _decode(decoder, pcm)
        # An entry is valid only until the next one is asked for, so nothing may be collected before it is read.
        alignment = cast("Iterable[Any]", decoder.get_alignment() or ())
        spans = [
            _Span(phone.name, int(phone.start), word.name.partition("(")[0], place)  # "read(2)" is a second pronunciation
            for place, word in enumerate(alignment)
            for phone in word
        ]
    except RuntimeError as error:
        raise DataError(f"no alignment was found: {error}") from error
    if len(spans) < len(words):
        raise DataError("no alignment was found: the clip does not seem to hold its text")
    return _phones(spans, seconds)


def _decode(decoder: Any, pcm: bytes) -> None:
    decoder.reinit_feat()  # its noise removal would remember the clip before, and labels would depend on the order of clips
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _phones(spans: list[_Span], seconds: float) -> list[Phone]:
    """Frame spans to times: frame i is centred half a window after 10 ms x i."""
    first_edge = _WINDOW_SECONDS / 2 - _HOP_SECONDS / 2
    edges = [0.0, *(round(first_edge + span.frame * _HOP_SECONDS, 6) for span in spans[1:]), seconds]
    phones: list[Phone] = []
    for span, start, end in zip(spans, edges[:-1], edges[1:], strict=True):
        if span.name in ARPABET:
            phones.append(Phone(span.name, start, end, span.word, span.place))
        elif phones and phones[-1].label == SILENCE:
            phones[-1] = phones[-1]._replace(end=end)
        else:
            phones.append(Phone(SILENCE, start, end))  # fillers such as +NSN+ (breath, click) are not speech
    return phones

"""`audiossl.tokenise`: recordings into discrete tokens of a teacher's frames, tokeniser and store at one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, overload

if TYPE_CHECKING:
    from audiossl.engines import Engine
    from audiossl.pipelines.tokenise.plan import TokenPlan
    from audiossl.signals.corpora.places import Place
    from audiossl.tokens.store import TokenStore


class TokeniseOptions(TypedDict, total=False):
    """The keywords of `tokenise`."""

    teacher: str
    layer: int | None
    normalise: bool
    kind: str
    num_codebooks: int
    codebook_size: int
    frames: int
    steps: int | None
    seed: int
    quality: Literal["fast", "default", "best", "exact"]
    table: str | Path | None
    where: str | None
    device: str
    engine: Engine
    workers: int | None


@overload
def tokenise(
    paths: Place | Sequence[Place],
    output: str | Path,
    *,
    dry_run: Literal[False] = False,
    **options: Unpack[TokeniseOptions],
) -> TokenStore: ...
@overload
def tokenise(
    paths: Place | Sequence[Place], output: str | Path, *, dry_run: Literal[True], **options: Unpack[TokeniseOptions]
) -> TokenPlan: ...
def tokenise(
    paths: Place | Sequence[Place],
    output: str | Path,
    *,
    teacher: str = "hama",
    layer: int | None = None,
    normalise: bool = True,
    kind: str = "mvq",
    num_codebooks: int = 8,
    codebook_size: int = 256,
    frames: int = 100_000,
    steps: int | None = None,
    seed: int = 1,
    quality: Literal["fast", "default", "best", "exact"] = "default",
    table: str | Path | None = None,
    where: str | None = None,
    device: str = "cpu",
    engine: Engine = "local",
    workers: int | None = None,
    dry_run: bool = False,
) -> TokenStore | TokenPlan:
    """Fit a tokeniser to recordings, in `output/tokeniser`, and tokenise them into the store at `output`.

    The same call resumes; more recordings are tokenised by the tokeniser that is there. What cannot be used is listed in
    `rejected.jsonl`. `audiossl tokens fit` and `encode` do the two halves, `audiossl tokens report` measures the tokens.

    Args:
        paths: a corpus, or paths of audio files, folders that are searched, corpus folders, lhotse manifests and shards, Kaldi
            folders, Hugging Face data sets and tables of clips; or a list of these.
        output: folder of the store.
        teacher: teacher whose frames become tokens, by a name that `audiossl.load` takes: hama, hf:NAME:LAYER, a run folder.
        layer: layer of the teacher, from 0; its last by default.
        normalise: bring each channel of the frames to zero mean and unit variance first.
        kind: kind of quantiser: a name of `audiossl.tokens.QUANTISERS` ("mvq", several codebooks that are searched together,
            "rvq", "fsq", "kmeans"), or `module:Class` or `FILE.py:Class` of your own.
        num_codebooks: codes per frame.
        codebook_size: entries per codebook.
        frames: frames to fit to, of recordings that are drawn at random.
        steps: updates of the centres (mvq, rvq); by default those of the kind.
        seed: seed of the draw and the fit.
        quality: quality of the search for codes.
        table: table whose rows are joined to the recordings by id, path, file name or stem; what has no row is left out.
        where: condition on their columns, such as `speaker == 'a'` (see `audiossl.where`).
        device: device of the teacher: "cpu", "cuda", "cuda:1", "mps".
        engine: "local" for this machine, "ray" for workers of Ray Data.
        workers: number of processes to work in, which changes no byte; 1 by default, with ray one for each CPU of its cluster.
        dry_run: tokenise nothing, but say what it would take.

    Returns:
        The store; with `dry_run` a plan: time, memory and disk, which prints as text.

    Raises:
        ConfigError: if the teacher, a layer, path, column or device does not exist.
        DataError: if no recording can be used, or a table or manifest cannot be read.
        StoreError: if the output holds tokens of another tokeniser, or one that was made otherwise.

    >>> import tempfile, numpy, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "a.wav", numpy.random.default_rng(0).normal(0, 0.1, 8000), 16_000)
    >>> store = tokenise(folder / "a.wav", folder / "tokens", teacher="logmel", kind="kmeans", num_codebooks=1, codebook_size=4)
    >>> store[store.cut_ids()[0]].shape
    torch.Size([25, 1])
    """
    from audiossl.errors import DataError
    from audiossl.pipelines.tokenise.corpus import QuantiserConfig
    from audiossl.pipelines.tokenise.fit_and_encode import fit_and_encode, rejected_by
    from audiossl.pipelines.tokenise.folders import usable_device
    from audiossl.pipelines.tokenise.plan import plan_tokens
    from audiossl.teachers.teacher import load_teacher, parse_teacher
    from audiossl.tokens.store import TokenStore

    config = parse_teacher(teacher, layer, normalise)
    options = {} if steps is None else {"steps": steps}
    quantiser = QuantiserConfig(kind, num_codebooks, codebook_size, frames, quality, options)
    on = str(usable_device(device))
    if dry_run:
        model = load_teacher(config, on)
        return plan_tokens(paths, Path(output), model, fit=quantiser, encode=quantiser, table=table, where=where)
    how = {"engine": engine, "num_workers": workers, "table": table, "where": where}
    fit_and_encode(paths, Path(output), config, quantiser, seed=seed, device=on, **how)
    store = TokenStore.open(output)
    if not len(store):
        first = next((f"{row['id']}: {row['reason']}" for row in rejected_by(Path(output))), "there is none")
        raise DataError(f"no recording could be tokenised; the first is {first}")
    return store

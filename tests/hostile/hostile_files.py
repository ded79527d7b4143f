"""Files that mean harm: `CASES` name them, make them, and say what must come of opening them.

python tests/hostile/hostile_files.py    # opens all of them and prints the table of docs/security.md
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audiossl.cli import main
from audiossl.embedding.embedder import Embedder
from audiossl.embedding.extract import embed_paths
from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import AudiosslError
from audiossl.load import load
from audiossl.models import Zipformer, hub
from audiossl.signals.corpus import Item, build_corpus
from audiossl.signals.opening import open_corpus
from audiossl.signals.unpack import unpack
from audiossl.teachers.logmel import LogMelEncoder
from audiossl.tokens.store import TokenStore

NARROW = {"encoder_dim": [32] * 5, "feedforward_dim": [48] * 5, "num_heads": [2] * 5, "encoder_unmasked_dim": [16] * 5}
MARK = "executed"


class Bomb:
    """Writes a file named `executed` when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {MARK}",)


@dataclass(frozen=True)
class Case:
    """What is opened: `make` writes it below a folder, `open` opens it; `outcome` is "refused" (an error of one line that names
    it), "rejected" (listed in rejected.jsonl, the rest goes on) or "read" (harmless as data)."""

    group: str
    name: str
    make: Callable[[Path], object]
    open: Callable[[Path], object]
    outcome: str = "refused"


CASES: list[Case] = []


def case(group: str, name: str, opener: Callable[[Path], object], outcome: str = "refused") -> Callable[..., None]:
    def add(make: Callable[[Path], object]) -> None:
        CASES.append(Case(group, name, make, opener, outcome))

    return add


def outcome_of(one: Case, folder: Path) -> tuple[str, str]:
    """Make and open a case inside `folder`; its outcome and what was said. Errors that are not ours come through."""
    inside = folder / "inside"
    inside.mkdir()
    one.make(inside)
    before = {path for path in folder.rglob("*") if inside not in path.parents}
    with contextlib.chdir(inside):
        try:
            found = one.open(inside)
        except AudiosslError as error:
            found = error
    strays = {path for path in folder.rglob("*") if inside not in path.parents} - before
    assert not strays, f"written outside: {strays}"
    assert not list(folder.rglob(MARK)), "executed"
    if isinstance(found, AudiosslError):
        return "refused", str(found)
    rejected = [json.loads(line)["reason"] for path in folder.rglob("rejected.jsonl") for line in path.read_text().splitlines()]
    return ("rejected", rejected[0]) if rejected else ("read", "")


# Archives


def unpack_it(folder: Path) -> None:
    (archive,) = folder.glob("archive*")
    unpack(archive, folder / "unpacked")


def zip_of(*names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "archive.zip", "w") as file:
            for name in names:
                file.writestr(name, "x")

    return make


case("archives", "zip with a path that climbs (`../evil`)", unpack_it)(zip_of("good", "../evil"))
case("archives", "zip with an absolute path", unpack_it)(zip_of("/evil"))
case("archives", "zip with a path of Windows (`C:\\evil`, `..\\evil`)", unpack_it)(zip_of("..\\evil", "C:\\evil"))


def tar_of(**fields: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with tarfile.open(folder / "archive.tar", "w") as file:
            member = tarfile.TarInfo(str(fields.get("name", "evil")))
            for name, value in fields.items():
                setattr(member, name, value)
            file.addfile(member)

    return make


case("archives", "tar with a path that climbs", unpack_it)(tar_of(name="../evil"))
case("archives", "tar with a link out of its folder", unpack_it)(tar_of(name="link", type=tarfile.SYMTYPE, linkname="../../.."))
case("archives", "tar with a hard link to a file of the system", unpack_it)(
    tar_of(name="link", type=tarfile.LNKTYPE, linkname="/etc/passwd")
)
case("archives", "tar with a device", unpack_it)(tar_of(name="null", type=tarfile.CHRTYPE, devmajor=1, devminor=3))


@case("archives", "zip bomb: 0.4 MB that become 0.4 GB", unpack_it)
def _(folder: Path) -> None:
    with (
        zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("zeros", "w", force_zip64=True) as out,
    ):
        for _ in range(400):
            out.write(bytes(2**20))


@case("archives", "tar.gz bomb: 0.4 MB that become 0.4 GB", unpack_it)
def _(folder: Path) -> None:
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("zeros")
        member.size = 400 * 2**20
        file.addfile(member, _Zeros(member.size))


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, size)
        self.left -= size
        return bytes(size)


@case("archives", "zip that is cut", unpack_it)
def _(folder: Path) -> None:
    zip_of("good")(folder)
    (folder / "archive.zip").write_bytes((folder / "archive.zip").read_bytes()[:-20])


# Models


def load_model(folder: Path) -> Embedder:
    return load(folder / "model")


def model_with(**files: bytes | str | Callable[[Path], object]) -> Callable[[Path], None]:
    """A good model folder in which some files are other ones."""

    def make(folder: Path) -> None:
        hub.save(Zipformer.from_preset("tiny", **NARROW), folder / "model")
        for name, content in files.items():
            path = folder / "model" / name.replace("_json", ".json").replace("_safetensors", ".safetensors")
            if callable(content):
                content(path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def changed_config(**values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


case("models", "pickle in place of safetensors", load_model)(model_with(model_safetensors=pickle.dumps(Bomb(), 2)))
case("models", "safetensors whose header claims 2^60 bytes", load_model)(
    model_with(model_safetensors=struct.pack("<Q", 2**60) + b"{}")
)
case("models", "safetensors whose tensor claims 2^40 values", load_model)(
    model_with(
        model_safetensors=struct.pack("<Q", 70)
        + b'{"x":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}'.ljust(70)
        + bytes(4)
    )
)
case("models", "config of 100 MB", load_model)(model_with(config_json='{"a": "' + "x" * 100_000_000 + '"}'))
case("models", "config nested 100,000 deep", load_model)(model_with(config_json='{"a":' * 100_000))
case("models", "config that is a list", load_model)(model_with(config_json="[]"))
case("models", "config with text in place of numbers", load_model)(model_with(config_json=changed_config(encoder_dim="big")))
case("models", "config with negative widths", load_model)(model_with(config_json=changed_config(encoder_dim=[-1] * 5)))
case("models", "config with widths of 10^12", load_model)(model_with(config_json=changed_config(encoder_dim=[10**12] * 5)))
case("models", "config with 10^9 layers", load_model)(model_with(config_json=changed_config(num_encoder_layers=[10**9] * 5)))
case("models", "config that is not UTF-8", load_model)(model_with(config_json=b"\xff\xfe{}"))
case("models", "config that names a class to import", load_model)(model_with(config_json=changed_config(model_type="os.system")))


@case("models", "checkpoint .pt that runs a program when unpickled", lambda folder: load(folder / "evil.pt"))
def _(folder: Path) -> None:
    hub.save(Zipformer.from_preset("tiny", **NARROW), folder)
    with zipfile.ZipFile(folder / "evil.pt", "w") as file:
        file.writestr("evil/data.pkl", pickle.dumps({"model": Bomb()}, 2))
        file.writestr("evil/version", "3\n")


@case("models", "checkpoint .pt that is a bare pickle", lambda folder: load(folder / "evil.pt"))
def _(folder: Path) -> None:
    hub.save(Zipformer.from_preset("tiny", **NARROW), folder)
    (folder / "evil.pt").write_bytes(pickle.dumps(Bomb(), 2))


# Recipes


def run_recipe(folder: Path) -> None:
    """By the command line, which must end with code 2 and one line."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(["run", str(folder / "recipe.yaml"), "--dry-run", f"output={folder / 'run'}"])
    lines = [line for line in said.getvalue().splitlines() if line.startswith("audiossl: ")]
    assert code == 2 and len(lines) == 1, said.getvalue()
    raise AudiosslError(lines[0].removeprefix("audiossl: "))


def recipe(text: str | bytes) -> Callable[[Path], int]:
    return lambda folder: (folder / "recipe.yaml").write_bytes(text.encode() if isinstance(text, str) else text)


case("recipes", "YAML with a tag that runs a program", run_recipe)(
    recipe(f"method: !!python/object/apply:os.system ['touch {MARK}']\n")
)
case("recipes", "YAML whose aliases double forty times", run_recipe)(
    recipe(
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
        + "method: spear\ndataset: *a39\n"
    )
)
case("recipes", "YAML of 100 MB", run_recipe)(recipe("method: spear\ndataset: " + "x" * 100_000_000))
case("recipes", "YAML nested 10,000 deep", run_recipe)(recipe("method: spear\ndataset: " + "[" * 10_000))
case("recipes", "YAML that is not text", run_recipe)(recipe(bytes(range(256))))
case("recipes", "YAML with a class to be built", run_recipe)(
    recipe("method: spear\ndataset: x\nteacher: {class_path: os.system, init_args: {command: touch executed}}\n")
)
case("recipes", "prepare script that does not exist", run_recipe)(recipe("method: spear\ndataset: x\nprepare: ../../evil.py\n"))

# Corpora


def good_corpus(folder: Path) -> Path:
    soundfile.write(folder / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    build_corpus([Item(id="a", path=folder / "a.wav")], folder / "corpus")
    return folder / "corpus"


def read_corpus(folder: Path) -> None:
    corpus = open_corpus(folder / "corpus")
    for item in corpus.items:
        corpus.read(item)


def corpus_with(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = good_corpus(folder) / "cuts.jsonl.gz"
        with gzip.open(path, "rt") as file:
            line = json.loads(file.readline())
        change(line)
        with gzip.open(path, "wt") as file:
            file.write(json.dumps(line) + "\n")

    return make


def put(*keys: str | int, value: object) -> Callable[[dict], object]:
    def change(line: dict) -> None:
        place = line
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


case("manifests", "text in place of a duration", read_corpus)(corpus_with(put("duration", value="long")))
case("manifests", "a duration that is not a number (NaN)", read_corpus)(corpus_with(put("duration", value=float("nan"))))
case("manifests", "an endless duration", read_corpus)(corpus_with(put("duration", value=float("inf"))))
case("manifests", "a duration of 10^12 seconds", read_corpus)(corpus_with(put("duration", value=1e12)))
case("manifests", "a negative start", read_corpus)(corpus_with(put("start", value=-5.0)))
case("manifests", "2^60 samples", read_corpus)(corpus_with(put("recording", "num_samples", value=2**60)))
case("manifests", "a rate of 0", read_corpus)(corpus_with(put("recording", "sampling_rate", value=0)))
case("manifests", "a list in place of a recording", read_corpus)(corpus_with(put("recording", value=[])))
case("manifests", "an id that is a dict", read_corpus)(corpus_with(put("id", value={})))
case("manifests", "a source that is a command", read_corpus)(
    corpus_with(lambda line: line["recording"]["sources"][0].update(type="command", source=f"touch {MARK}"))
)
case("manifests", "a source that is a device without end", read_corpus)(
    corpus_with(put("recording", "sources", 0, "source", value="/dev/zero"))
)
case("manifests", "channel 10^9", read_corpus)(corpus_with(put("channel", value=10**9)))


@case("manifests", "a summary with wrong types", read_corpus)
def _(folder: Path) -> None:
    path = good_corpus(folder) / "corpus.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "x")))


@case("manifests", "lines nested 100,000 deep", read_corpus)
def _(folder: Path) -> None:
    with gzip.open(good_corpus(folder) / "cuts.jsonl.gz", "wt") as file:
        file.write("[" * 100_000 + "\n")


@case("manifests", "gzip that is cut", read_corpus)
def _(folder: Path) -> None:
    path = good_corpus(folder) / "cuts.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-10])


# Audio


def embed(folder: Path) -> None:
    embed_paths(Embedder(LogMelEncoder()), [folder / "audio"], folder / "store")


def wav_header(channels: int, rate: int, data: int, bits: int = 16, riff: int = 36) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * bits // 8) % 2**32, (channels * bits // 8) % 2**16, bits)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", data)


def audio(raw: bytes, name: str = "x.wav") -> Callable[[Path], int]:
    def make(folder: Path) -> int:
        (folder / "audio").mkdir()
        return (folder / "audio" / name).write_bytes(raw)

    return make


case("audio", "WAV that claims 2^31 samples and has 100", embed, "read or rejected")(
    audio(wav_header(1, 16000, 2**32 - 2) + bytes(200))
)
case("audio", "WAV with 1,000 channels", embed, "read or rejected")(
    audio(wav_header(1000, 16000, 2000 * 800) + bytes(2000 * 800))
)
case("audio", "WAV with no channels", embed, "rejected")(audio(wav_header(0, 16000, 200) + bytes(200)))
case("audio", "WAV with a rate of 0", embed, "rejected")(audio(wav_header(1, 0, 200) + bytes(200)))
case("audio", "WAV with a rate of 2^32 - 1", embed, "rejected")(audio(wav_header(1, 2**32 - 1, 2000) + bytes(2000)))
case("audio", "WAV with a rate of 1 Hz, which at 16 kHz is 16,000 times as long", embed, "read or rejected")(
    audio(wav_header(1, 1, 200_000) + bytes(200_000))
)
case("audio", "WAV with 64,000 bits a sample", embed, "rejected")(audio(wav_header(1, 16000, 200, 64000) + bytes(200)))
case("audio", "noise named .wav", embed, "rejected")(audio(np.random.default_rng(0).bytes(50_000)))
case("audio", "noise named .mp4", embed, "rejected")(
    audio(b"\0\0\0\x18ftypmp42" + np.random.default_rng(0).bytes(50_000), "x.mp4")
)
case("audio", "a zip file named .flac", embed, "rejected")(audio(b"PK\x03\x04" + bytes(1000), "x.flac"))
case("audio", "a playlist that names another file", embed, "rejected")(
    audio(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "x.mp3")
)
case("audio", "an empty file", embed, "rejected")(audio(b""))
case("audio", "samples that are not numbers", embed, "rejected")(
    audio(
        b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\3\0\1\0"
        + struct.pack("<IIHH", 16000, 64000, 4, 32)
        + b"data"
        + struct.pack("<I", 64000)
        + np.full(16000, np.nan, "<f4").tobytes()
    )
)


@case("names", "names with line breaks, quotes, `$()`, `;`, backticks, tags and a leading dash", embed, "read")
def _(folder: Path) -> None:
    (folder / "audio").mkdir()
    tone = 0.1 * np.sin(np.arange(8000))
    for name in (
        "a\nb",
        "a\rb",
        "$(touch executed)",
        "`touch executed`",
        ";touch executed",
        "'\"",
        "-rf",
        "<script>",
        "é\u202e",
        " ",
        "\u2028",
    ):
        with (folder / "audio" / f"{name}.wav").open("wb") as file:
            soundfile.write(file, tone, 16000, format="WAV")


@case("names", "a name that is not UTF-8", embed, "rejected")
def _(folder: Path) -> None:
    (folder / "audio").mkdir()
    soundfile.write(folder / "audio" / "a.wav", np.zeros(8000), 16000)
    (folder / "audio" / "a.wav").rename(folder / "audio" / os.fsdecode(b"\xff.wav"))


@case("names", "a link to a folder above, without end", embed, "read")
def _(folder: Path) -> None:
    audio(wav_header(1, 16000, 20_000) + bytes(20_000))(folder)
    (folder / "audio" / "loop").symlink_to(folder / "audio")


# Stores


def good_tokens(folder: Path) -> Path:
    import torch

    from audiossl.tokens.store_writer import TokenWriter

    with TokenWriter(folder / "tokens", quantiser_id="q", num_codebooks=2, codebook_size=16, frame_rate=50.0) as writer:
        writer.add("a", torch.zeros(10, 2, dtype=torch.uint8))
    return folder / "tokens"


def read_tokens(folder: Path) -> None:
    store = TokenStore.open(folder / "tokens")
    for cut_id in store.cut_ids():
        store[cut_id]


def tokens_with(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = good_tokens(folder) / "store.json"
        about = json.loads(path.read_text())
        change(about)
        path.write_text(json.dumps(about))

    return make


case("stores", "token store that names a file outside", read_tokens)(
    tokens_with(put("shards", 0, "tokens", value="../../../../etc/passwd"))
)
case("stores", "token store with wrong types", read_tokens)(tokens_with(put("shards", value="x")))
case("stores", "token store with 2^60 frames", read_tokens)(tokens_with(put("shards", 0, "num_frames", value=2**60)))
case("stores", "token store with a dtype of objects", read_tokens)(tokens_with(put("dtype", value="O")))
case("stores", "token store with no codebooks", read_tokens)(tokens_with(put("num_codebooks", value=0)))


@case("stores", "token file that is a pickle", read_tokens)
def _(folder: Path) -> None:
    path = good_tokens(folder) / "tokens-00000.npy"
    size = path.stat().st_size
    with io.BytesIO() as file:
        np.lib.format.write_array(file, np.array([Bomb()], dtype=object), allow_pickle=True)
        path.write_bytes(file.getvalue().ljust(size, b"\0")[:size])


@case("stores", "token index that is noise", read_tokens)
def _(folder: Path) -> None:
    (good_tokens(folder) / "index-00000.parquet").write_bytes(b"PAR1" + np.random.default_rng(0).bytes(500) + b"PAR1")


def good_embeddings(folder: Path) -> Path:
    audio(wav_header(1, 16000, 20_000) + bytes(20_000))(folder)
    embed(folder)
    return folder / "store"


def read_embeddings(folder: Path) -> None:
    store = EmbeddingStore.open(folder / "store")
    for item_id in store:
        store[item_id]


@case("stores", "embedding store with wrong types", read_embeddings)
def _(folder: Path) -> None:
    path = good_embeddings(folder) / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dim": "x", "layers": {"a": 1}}))


@case("stores", "embedding file that is a pickle", read_embeddings)
def _(folder: Path) -> None:
    for path in good_embeddings(folder).glob("frames-*.npy"):
        np.save(path, np.array([Bomb()], dtype=object), allow_pickle=True)


@case("stores", "embedding index that is noise", read_embeddings)
def _(folder: Path) -> None:
    for path in good_embeddings(folder).glob("index-*.parquet"):
        path.write_bytes(b"PAR1" + np.random.default_rng(0).bytes(500) + b"PAR1")


# Results


def compare(folder: Path) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(["compare", str(folder / "results.json"), "--html", str(folder / "page.html")])
    if code == 2:
        raise AudiosslError(said.getvalue())
    assert code == 0 and "<script>alert" not in (folder / "page.html").read_text()


ROW = {"dataset": "d", "task": "t", "model": "m", "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}


def results(rows: object) -> Callable[[Path], int]:
    return lambda folder: (folder / "results.json").write_text(json.dumps(rows))


case("results", "a model named `<script>`", compare, "read")(results([ROW | {"model": "<script>alert(1)</script>"}]))
case("results", "values that are text", compare)(results([ROW | {"value": "high"}]))
case("results", "a dict in place of rows", compare)(results({"a": 1}))
case("results", "rows with unknown keys", compare, "read")(results([ROW | {"extra": 1}]))


def table() -> Iterator[str]:
    yield "| | what is opened | outcome | seconds | what is said |"
    yield "|---|---|---|---|---|"
    for one in CASES:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            found, said = outcome_of(one, Path(folder))
            said = said.replace(folder, "").replace("/inside", "").replace("|", "\\|").replace("\n", " ").replace("<", "\\<")
            yield f"| {one.group} | {one.name.replace('|', chr(92) + '|')} | {found} | {time.monotonic() - begin:.1f} | {said[:140]} |"


if __name__ == "__main__":
    for row in table():
        print(row)
    sys.exit(0)

"""The pre-release of lhotse 2, in a folder of its own: its shards are read, and all that is tested with lhotse 1 holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = "2.0.0a7"
HERE = Path(__file__).parent
FILES = [
    *(HERE / f"test_{name}.py" for name in (
        "corpus", "declared_lengths", "lhotse_cuts", "linking", "manifest", "same_sound", "shar", "tar_offsets",
    )),
    HERE.parent / "tokens" / "test_lhotse_arrays.py",
]  # fmt: skip
pytestmark = pytest.mark.slow

# lhotse asks whether torchaudio is installed, not whether it can be imported.
PLUGIN = """
import sys
try:
    import torchaudio
except (ImportError, OSError):
    sys.modules["torchaudio"] = None
"""

WRITE = """
import sys, warnings
import lhotse
from lhotse import CutSet, Recording
from lhotse.index_pack import IndexPackCollectionSpec, write_index_pack
from pathlib import Path
assert lhotse.__version__ == {version!r}, lhotse.__version__
warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
cuts = [Recording.from_file(path).to_cut().with_id(path.stem) for path in sorted(folder.glob("*.wav"))]
for name, options in {{"packed": {{}}, "plain": {{"compress_jsonl": False}}, "pack": {{}}}}.items():
    (folder / name).mkdir()
    CutSet.from_cuts(cuts).to_shar(folder / name, fields={{"recording": "flac"}}, shard_size=2, **options)
tars = sorted((folder / "pack").glob("*.tar"))
spec = IndexPackCollectionSpec(role="recording", kind="tar-members", source_spec="x", paths=tuple(map(str, tars)))
write_index_pack(folder / "pack" / "data.idxpack", [spec])
for tar in tars:
    tar.with_name(tar.name + ".idx").unlink()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Variables with which Python finds lhotse 2; whatever else it needs is that of this environment."""
    folder = tmp_path_factory.mktemp("lhotse 2")
    install = [sys.executable, "-m", "pip", "install", "-q", "--pre", "--no-deps", "--target", str(folder), f"lhotse=={VERSION}"]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"lhotse {VERSION} cannot be installed: {done.stderr[-300:]}")
    (folder / "usable_torchaudio.py").write_text(PLUGIN)
    paths = [str(folder), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}


def test_the_tests_of_manifests_hold(environment):
    command = [sys.executable, "-m", "pytest", "-p", "usable_torchaudio", "-p", "no:cacheprovider", "-W", "ignore::UserWarning"]
    done = subprocess.run([*command, *map(str, FILES)], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]


def test_its_shards_are_read_by_their_indexes(environment, tmp_path, monkeypatch):
    import numpy as np
    import soundfile

    from audiossl.signals.corpora.shar import open_shar

    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    signals = {
        f"r{number}": np.random.default_rng(number).integers(-9999, 9999, 4000 + number, dtype=np.int16) for number in range(5)
    }
    for name, signal in signals.items():
        soundfile.write(tmp_path / f"{name}.wav", signal, 16_000)
    script = tmp_path / "write.py"
    script.write_text(WRITE.format(version=VERSION))
    subprocess.run([sys.executable, str(script), str(tmp_path)], env=environment, check=True, timeout=300)
    assert sorted(path.name for path in (tmp_path / "plain").iterdir() if "000000" in path.name) == [
        "cuts.000000.jsonl", "cuts.000000.jsonl.idx", "recording.000000.tar", "recording.000000.tar.idx",
    ]  # fmt: skip

    def scan(place: str) -> list:
        raise AssertionError(f"{place} is read from begin to end")

    monkeypatch.setattr("audiossl.signals.corpora.tar_index.scan_tar", scan)
    for name in ("packed", "plain", "pack"):
        corpus = open_shar(tmp_path / name)
        assert [item.id for item in corpus] == list(signals)
        for item in corpus:
            np.testing.assert_array_equal(corpus.read(item).numpy(), signals[item.id].astype(np.float32) / 32768)

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archives import zip_of

from audiossl.errors import ConfigError, DataError
from audiossl.signals.fetch import fetch, parse_source

CONTENT = bytes(range(256)) * 4000  # 1 MB


class TestUrl:
    def test_archive_is_unpacked_once(self, server, tmp_path):
        content = zip_of({"set/a.txt": b"a", "set/b.txt": b"b"})
        server.files["set.zip"] = content
        source, checksum = f"url:{server.url('set.zip')}", hashlib.sha256(content).hexdigest()
        folder = fetch(source, cache=tmp_path, sha256=checksum, expect={"set/*.txt": 2})
        assert sorted(path.name for path in folder.rglob("*.txt")) == ["a.txt", "b.txt"]
        facts = json.loads((folder.parent / "fetched.json").read_text())
        assert (facts["source"], facts["num_files"], facts["num_bytes"]) == (source, 2, 2)
        server.files.clear()
        assert fetch(source, cache=tmp_path, sha256=checksum, expect={"set/*.txt": 2}) == folder
        assert len(server.requests) == 1
        with pytest.raises(DataError, match="another checksum"):
            fetch(source, cache=tmp_path, sha256="0" * 64)

    def test_plain_file_by_file_address(self, tmp_path):
        (tmp_path / "my data.txt").write_bytes(b"hello")
        folder = fetch("url:" + (tmp_path / "my data.txt").as_uri(), cache=tmp_path / "cache")
        assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("my_data.txt", b"hello")]

    def test_unexpected_count_is_told_and_not_cached(self, server, tmp_path):
        server.files["set.zip"] = zip_of({"a.txt": b"a"})
        with pytest.raises(DataError, match=r"holds 1 files '\*\.txt', expected 3"):
            fetch(f"url:{server.url('set.zip')}", cache=tmp_path, expect={"*.txt": 3})
        assert not list(tmp_path.glob("url-*"))
        folder = fetch(f"url:{server.url('set.zip')}", cache=tmp_path)
        with pytest.raises(DataError, match=r"expected 3\. Remove .*url-set"):
            fetch(f"url:{server.url('set.zip')}", cache=tmp_path, expect={"*.txt": 3})
        assert (folder / "a.txt").exists()

    def test_wrong_checksum_is_not_cached(self, server, tmp_path):
        server.files["set.zip"] = zip_of({"a.txt": b"a"})
        with pytest.raises(DataError, match="checksum"):
            fetch(f"url:{server.url('set.zip')}", cache=tmp_path, sha256="0" * 64)
        assert not list(tmp_path.glob("url-*"))

    def test_an_interrupted_fetch_resumes(self, server, tmp_path):
        server.files["a.bin"], server.num_breaks = CONTENT, 3
        server.break_after = 100_000
        with pytest.raises(DataError, match="ended at 300000"):
            fetch(f"url:{server.url('a.bin')}", cache=tmp_path)
        assert (fetch(f"url:{server.url('a.bin')}", cache=tmp_path) / "a.bin").read_bytes() == CONTENT
        assert server.requests[-1] == "bytes=300000-"

    def test_many_at_once_fetch_once(self, server, tmp_path):
        server.files["a.bin"] = CONTENT
        with ThreadPoolExecutor(6) as pool:
            folders = list(pool.map(lambda _: fetch(f"url:{server.url('a.bin')}", cache=tmp_path), range(6)))
        assert len(set(folders)) == 1
        assert (folders[0] / "a.bin").read_bytes() == CONTENT
        assert len(server.requests) == 1


class TestDataRoot:
    """Nothing is fetched: the clients are not there."""

    @pytest.fixture(autouse=True)
    def _no_clients(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))

    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "root"
        root.mkdir()
        return root

    def put(self, folder: Path, *names: str) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"x")

    @pytest.mark.parametrize("expect", [None, {"usr/**/*.wav": 2}])
    def test_one_folder_a_package(self, root, tmp_path, expect):
        self.put(root / "sounds", "usr/a.wav", "usr/deep/b.wav")
        assert fetch("deb:sounds", cache=tmp_path / "cache", data_root=root, expect=expect) == root / "sounds"
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize("expect", [None, {"usr/share/*.wav": 1}])
    def test_one_root_for_all_packages(self, root, tmp_path, expect):
        self.put(root, "usr/share/a.wav", "usr/share/doc/sounds/copyright", "usr/share/doc/noises/copyright")
        assert fetch("deb:sounds", cache=tmp_path, data_root=root, expect=expect) == root
        assert fetch("deb:noises", cache=tmp_path, data_root=root, expect=expect) == root

    @pytest.mark.parametrize("expect", [None, {"toy_data/*.bin": 1}])
    @pytest.mark.parametrize("below", ["", "toy-data"])
    def test_a_wheel(self, root, tmp_path, expect, below):
        self.put(root / below, "toy_data/a.bin", "toy_data-1.0.dist-info/METADATA")
        assert fetch("pypi:toy-data==1.0", cache=tmp_path, data_root=root, expect=expect) == root / below

    def test_a_file(self, root, tmp_path):
        self.put(root, "a.txt", "set/b.txt")
        assert fetch("url:https://nowhere.invalid/a.txt", cache=tmp_path, data_root=root) == root
        assert fetch("url:https://nowhere.invalid/set.zip", cache=tmp_path, data_root=root) == root / "set"

    def test_wrong_counts_are_told(self, root, tmp_path):
        self.put(root / "sounds", "usr/a.wav")
        with pytest.raises(DataError, match=r"holds 1 files 'usr/\*\.wav', expected 5.*unpack it there again"):
            fetch("deb:sounds", cache=tmp_path, data_root=root, expect={"usr/*.wav": 5})

    @pytest.mark.parametrize("is_fetched", [False, True])
    def test_what_is_not_there_is_an_error_whatever_the_cache_holds(self, root, tmp_path, server, is_fetched):
        """Her own recordings are there, and other people's data of the recipe in the cache."""
        server.files["set.zip"] = zip_of({"a.txt": b"a"})
        self.put(root, "mine/a.wav")
        source, cache = f"url:{server.url('set.zip')}", tmp_path / "cache"
        if is_fetched:
            fetch(source, cache=cache)
        said = rf"^set is not in data_root={root}: expected its content in {root / 'set'} or in the folder itself"
        with pytest.raises(DataError, match=said):
            fetch(source, cache=cache, data_root=root)
        with pytest.raises(DataError, match=f"sounds is not in data_root={root}"):
            fetch("deb:sounds", cache=cache, data_root=root, expect={"usr/*.wav": 1})
        self.put(root / "set", "a.txt")
        assert fetch(source, cache=cache, data_root=root) == root / "set"

    def test_a_missing_root_is_told(self, tmp_path):
        with pytest.raises(DataError, match=r"--data-root .*none"):
            fetch("deb:sounds", cache=tmp_path, data_root=tmp_path / "none")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "sounds",
        "deb:",
        "deb:a b",
        "deb:-o",
        "pypi:toy",
        "pypi:toy>=1",
        "pypi:-r==1",
        "pypi:toy==1#wheel",
        "url:toy.zip",
        "url:https://x/",
    ],
)
def test_unknown_sources_are_config_errors(source, tmp_path):
    with pytest.raises(ConfigError, match="expected url:"):
        fetch(source, cache=tmp_path)


def test_sources_have_folders_of_their_own():
    texts = ["url:https://x/a.zip", "url:https://y/a.zip", "pypi:a==1", "pypi:a==1#sdist", "pypi:a==2", "deb:a", "deb:a=1:2"]
    names = {parse_source(text).folder_name for text in texts}
    assert len(names) == len(texts)
    assert not any(set(name) & set("/:#%") for name in names)


def test_cache_from_the_environment_and_unwritable(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a")
    source = "url:" + (tmp_path / "a.txt").as_uri()
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "here"))
    assert fetch(source).is_relative_to(tmp_path / "here")
    with pytest.raises(ConfigError, match="AUDIOSSL_CACHE"):
        fetch(source, cache=tmp_path / "a.txt" / "cache")

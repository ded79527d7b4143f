from __future__ import annotations

import json
import sys

import pytest
from archives import tar_of, zip_of

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.fetching import packages


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """A PATH with nothing on it but the clients that a test writes as small Python programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, program: str) -> None:
        (folder / name).write_text(f"#!{sys.executable}\nimport sys, pathlib\narguments = sys.argv[1:]\n{program}\n")
        (folder / name).chmod(0o755)

    return write


DPKG = "pathlib.Path(arguments[2], 'usr').mkdir(); pathlib.Path(arguments[2], 'usr', 'a.wav').write_bytes(b'a')"


class TestDeb:
    def test_download_and_unpack(self, clients, tmp_path):
        clients("apt-get", "assert arguments[-2:] == ['download', 'sounds'], arguments; open('sounds_1%3a2-1_all.deb', 'w')")
        clients("dpkg-deb", DPKG)
        folder = fetch("deb:sounds", cache=tmp_path / "cache", expect={"usr/**/*.wav": 1})
        assert (folder / "usr/a.wav").read_bytes() == b"a"
        assert json.loads((folder.parent / "fetched.json").read_text())["version"] == "1:2-1"

    def test_own_lists_where_the_machine_has_none(self, clients, tmp_path):
        calls = tmp_path / "calls"
        clients(
            "apt-get",
            f"""
own = any(word.startswith("Dir::State=") for word in arguments)
open({str(calls)!r}, "a").write(f"{{arguments[-1]}} {{own}}\\n")
if arguments[-1] == "update":
    sys.exit(0 if own else 1)
if not own:
    sys.exit("E: Unable to locate package sounds")
open(arguments[-1] + "_1_all.deb", "w")""",
        )
        clients("dpkg-deb", DPKG)
        fetch("deb:sounds", cache=tmp_path / "cache")
        fetch("deb:noises", cache=tmp_path / "cache")
        assert calls.read_text().split("\n")[:-1] == [
            *("sounds False", "update True", "sounds True"),
            *("noises False", "noises True"),  # lists of today are used again
        ]

    def test_the_last_word_of_a_failing_client_is_told(self, clients, tmp_path):
        clients("apt-get", "sys.exit('E: Unable to locate package sounds\\nW: something else')")
        clients("dpkg-deb", DPKG)
        with pytest.raises(
            DataError, match=r"sounds: E: Unable to locate package sounds\. .*apt-get download sounds.*--data-root DIR"
        ):
            fetch("deb:sounds", cache=tmp_path / "cache")
        assert not list((tmp_path / "cache").glob("deb-*"))

    def test_a_damaged_package_is_told(self, clients, tmp_path):
        clients("apt-get", "open('sounds_1_all.deb', 'w')")
        clients("dpkg-deb", "sys.exit('dpkg-deb: error: not a Debian format archive')")
        with pytest.raises(DataError, match="not a Debian format archive"):
            fetch("deb:sounds", cache=tmp_path / "cache")

    @pytest.mark.parametrize("present", [[], ["apt-get"]])
    def test_an_absent_client_is_told_with_what_to_run_elsewhere(self, clients, tmp_path, present):
        for name in present:
            clients(name, "")
        missing = "dpkg-deb" if present else "apt-get"
        with pytest.raises(
            DataError, match=rf"'{missing}'.*apt-get download sounds && dpkg-deb -x .* DIR/sounds.*--data-root DIR"
        ):
            fetch("deb:sounds", cache=tmp_path / "cache")


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """A Python whose only module is a pip that a test writes."""

    def write(program: str) -> None:
        script = tmp_path / "fake-python"
        script.write_text(f"#!{sys.executable}\nimport sys, pathlib\narguments = sys.argv[1:]\n{program}\n")
        script.chmod(0o755)
        monkeypatch.setattr(packages.sys, "executable", str(script))

    return write


class TestPypi:
    def test_wheel(self, pip, tmp_path):
        (tmp_path / "w.whl").write_bytes(
            zip_of({"toy/data.bin": b"d", "toy-1.0.dist-info/METADATA": b"", "toy/__init__.py": b"1/0"})
        )
        pip(
            f"""
assert arguments[:2] == ["-m", "pip"] and arguments[-1] == "toy==1.0" and "--no-deps" in arguments, arguments
folder = pathlib.Path(arguments[arguments.index("-d") + 1])
(folder / "toy-1.0-py3-none-any.whl").write_bytes(pathlib.Path({str(tmp_path / "w.whl")!r}).read_bytes())"""
        )
        folder = fetch("pypi:toy==1.0", cache=tmp_path / "cache", expect={"toy/*.bin": 1})
        assert (folder / "toy/data.bin").read_bytes() == b"d"
        with pytest.raises(DataError, match="checksum"):
            fetch("pypi:toy==1.0", cache=tmp_path / "other", sha256="0" * 64)

    def test_sdist_is_downloaded_and_not_built(self, pip, server, tmp_path):
        server.files["toy-1.0.tar.gz"] = tar_of({"toy-1.0/setup.py": b"1/0", "toy-1.0/data.bin": b"d"})
        old, new = server.url("toy-0.9.tar.gz"), server.url("toy-1.0.tar.gz")
        pip(
            f"""
assert arguments[2:][-1] == "toy" and "index" in arguments, arguments
print("Looking in links")
print("  Found link {old} (from there) (requires-python:>=3), version: 0.9")
print("  Found link {new}#sha256=abc (from there), version: 1.0")"""
        )
        folder = fetch("pypi:toy==1.0#sdist", cache=tmp_path / "cache")
        assert (folder / "toy-1.0/data.bin").read_bytes() == b"d"
        with pytest.raises(DataError, match=r"no source distribution toy==2\.0; it found: 0\.9, 1\.0"):
            fetch("pypi:toy==2.0#sdist", cache=tmp_path / "cache")

    @pytest.mark.parametrize("suffix", ["", "#sdist"])
    def test_the_last_word_of_a_failing_pip_is_told(self, pip, tmp_path, suffix):
        pip("sys.exit('ERROR: No matching distribution found for toy==1.0\\n[notice] other')")
        with pytest.raises(DataError, match=r"ERROR: No matching distribution found for toy==1\.0\. .*--data-root DIR"):
            fetch(f"pypi:toy==1.0{suffix}", cache=tmp_path / "cache")

    def test_an_absent_pip_is_told(self, pip, tmp_path):
        pip("sys.exit('/usr/bin/python: No module named pip')")
        with pytest.raises(DataError, match="ensurepip"):
            fetch("pypi:toy==1.0", cache=tmp_path / "cache")


@pytest.mark.slow
def test_real_packages(tmp_path):
    """A small wheel, a small source distribution and a small Debian package, by the clients of this machine."""
    assert (fetch("pypi:iniconfig==2.0.0", cache=tmp_path) / "iniconfig/__init__.py").is_file()
    assert (fetch("pypi:iniconfig==2.0.0#sdist", cache=tmp_path) / "iniconfig-2.0.0/pyproject.toml").is_file()
    try:
        folder = fetch("deb:asterisk-core-sounds-en", cache=tmp_path, expect={"usr/share/doc/**/core-sounds-en.txt.gz": 1})
    except DataError as error:
        pytest.skip(str(error))
    assert folder.is_dir()

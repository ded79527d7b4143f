"""Recipes: fingerprints, what runs again and what does not, and reading the YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from audiossl.errors import ConfigError
from audiossl.files import read_json
from audiossl.recipe import Stage, fingerprint, plain, read_recipe, run_stages, verify_stages
from audiossl.stage import StageConfig


class Chain:
    """Three stages `a`, `b`, `c`; each writes what it read and its config to `text`, and `ran` lists what ran."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.ran: list[str] = []
        self.fails: str | None = None
        self.configs: dict[str, Any] = {"a": 1, "b": 1, "c": 1}
        self.resumable = False

    def _stage(self, name: str, inputs: tuple[str, ...]) -> Stage:
        def run(out: Path, folders) -> None:
            assert sorted(folders) == sorted(inputs)
            self.ran.append(name)
            (out / "progress").write_text((out / "progress").read_text() + "+" if (out / "progress").exists() else "")
            if self.fails == name:
                raise KeyboardInterrupt
            before = "".join((folder / "text").read_text() for folder in folders.values())
            (out / "text").write_text(f"{before}{name}{self.configs[name]}")

        return Stage(name, run, {"value": self.configs[name]}, inputs, resumable=self.resumable)

    def run(self, **kwargs) -> list[str]:
        """Run the stages and return the names of those that ran."""
        self.ran = []
        stages = [self._stage("a", ()), self._stage("b", ("a",)), self._stage("c", ("a", "b"))]
        self.seconds = run_stages(stages, self.output, **kwargs)
        return self.ran

    def text(self, name: str) -> str:
        return (self.output / name / "text").read_text()


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path / "é run")


def test_only_what_changed_runs_again(chain):
    assert chain.run() == ["a", "b", "c"] and chain.text("c") == "a1a1b1c1"
    record = read_json(chain.output / "b" / "stage.json")
    assert record["config"] == {"value": 1} and set(record["versions"]) == {"audiossl", "commit", "torch", "python"}
    assert chain.run() == [] and chain.seconds == {"a": 0.0, "b": 0.0, "c": 0.0}
    chain.configs["b"] = 2
    assert chain.run() == ["b", "c"] and chain.text("c") == "a1a1b2c1"
    chain.configs["a"] = 2
    assert chain.run() == ["a", "b", "c"]
    assert all(path.name[0] in "abc" for path in chain.output.iterdir())  # no hidden folder is left over


def test_from_and_to(chain):
    assert chain.run(last="b") == ["a", "b"] and not (chain.output / "c").exists()
    assert chain.run(first="b") == ["b", "c"]
    assert chain.run(first="a", last="a") == ["a"]
    assert chain.run() == []  # the same result, so the later stages hold


def test_dry_run_touches_nothing(chain, capsys):
    assert chain.run(dry_run=True) == [] and not chain.output.exists()
    assert capsys.readouterr().err.count("never ran here") == 3
    chain.run()
    chain.configs["c"] = 2
    assert chain.run(dry_run=True) == [] and chain.text("c").endswith("c1")
    assert "min last time" in capsys.readouterr().err


@pytest.mark.parametrize("options", [{"first": "nope"}, {"last": "nope"}])
def test_unknown_stage(chain, options):
    with pytest.raises(ConfigError, match="no stage 'nope'; its stages are: a, b, c"):
        chain.run(**options)
    with pytest.raises(ConfigError, match="--from c comes after --to a"):
        chain.run(first="c", last="a")
    assert not chain.output.exists()


@pytest.mark.parametrize("forced", [False, True])
def test_failure_leaves_what_was_finished(chain, forced):
    chain.run()
    chain.fails = "b"
    if not forced:
        chain.configs["b"] = 2
    with pytest.raises(KeyboardInterrupt):
        chain.run(first="b" if forced else None)
    assert chain.text("a") == "a1" and chain.text("b") == "a1b1" and chain.text("c") == "a1a1b1c1"
    chain.fails = None
    assert chain.run() == ([] if forced else ["b", "c"])


def test_an_interrupted_stage_starts_clean(chain):
    chain.fails = "b"
    with pytest.raises(KeyboardInterrupt):
        chain.run()
    chain.fails = None
    assert chain.run() == ["b", "c"]
    assert (chain.output / "b" / "progress").read_text() == ""


def test_an_interrupted_resumable_stage_goes_on(chain):
    chain.fails, chain.resumable = "b", True
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            chain.run()
    chain.fails = None
    assert chain.run() == ["b", "c"]
    assert (chain.output / "b" / "progress").read_text() == "++"
    assert not (chain.output / "b" / "started.json").exists()


@pytest.mark.parametrize("change", ["config", "forced"])
def test_a_resumable_stage_starts_clean_where_its_work_is_stale(chain, change):
    chain.fails, chain.resumable = "b", True
    with pytest.raises(KeyboardInterrupt):
        chain.run()
    chain.fails = None
    if change == "config":
        chain.configs["b"] = 2
    chain.run(first="b" if change == "forced" else None)
    assert (chain.output / "b" / "progress").read_text() == ""


@pytest.mark.parametrize("record", ["", "null", "[1]", "{}", '{"fingerprint": "else"}'])
def test_a_damaged_record_means_not_finished(chain, record):
    chain.run()
    (chain.output / "c" / "stage.json").write_text(record)
    chain.run(dry_run=True)
    assert chain.run() == ["c"]


def test_unwritable_output(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ConfigError, match=r"cannot write the output folder .*Choose another with output=DIR"):
        Chain(tmp_path / "file" / "run").run()
    assert (tmp_path / "file").read_text() == "kept"


@dataclass
class PartConfig:
    """A part."""

    size: int = 3
    kind: Literal["x", "y"] = "x"


@dataclass
class ToyRecipe:
    """A recipe with one part of each sort."""

    name: str
    rate: float = 1.0
    output: Path | None = None
    part: PartConfig = field(default_factory=PartConfig)
    parts: list[PartConfig] = field(default_factory=list)


def test_fingerprint_depends_on_what_decides_the_result():
    def make(run=print, config: Any = None, inputs=("a",), version=1, resumable=False):
        return Stage("s", run, config or [PartConfig(), {"k": 1.5}], inputs, version, resumable)

    before = {"a": "1", "b": "2"}
    print_ = fingerprint(make(), before)
    assert fingerprint(make(run=len, resumable=True), {**before, "b": "3"}) == print_  # b is not an input
    assert fingerprint(make(config=({"size": 3, "kind": "x"}, {"k": 1.5})), before) == print_
    changed = [
        fingerprint(make(version=2), before),
        fingerprint(make(config=[PartConfig(4), {"k": 1.5}]), before),
        fingerprint(make(config=[PartConfig(), {"k": 1.25}]), before),
        fingerprint(make(), {**before, "a": "3"}),
        fingerprint(make(inputs=("a", "b")), before),
    ]
    assert len({print_, *changed}) == 6


def test_plain():
    value = {"recipe": ToyRecipe("n", output=Path("a/b"), parts=[PartConfig()]), 3: (1, None, True, "é")}
    part = {"size": 3, "kind": "x"}
    recipe = {"name": "n", "rate": 1.0, "output": "a/b", "part": part, "parts": [part]}
    assert plain(value) == {"recipe": recipe, "3": [1, None, True, "é"]}


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes, *overrides: str) -> ToyRecipe:
        path = tmp_path / "toy recipe.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_recipe(path, overrides, {"toy": ToyRecipe, "other": PartConfig})

    return read


def test_read_recipe(read):
    expected = ToyRecipe("é", part=PartConfig(kind="y"), parts=[PartConfig(1, "y")])
    assert read("method: toy\nname: é\nparts: [{size: 1, kind: y}]\npart: {kind: y}") == expected
    assert read("method: other\nsize: 7") == PartConfig(7)


def test_overrides(read):
    recipe = read("method: toy\nname: n\npart: {size: 5}", "part.kind=y", "output=a b/é=1", "rate=1e-3", "part.size=6")
    assert recipe == ToyRecipe("n", 1e-3, Path("a b/é=1"), PartConfig(6, "y"))
    assert read("method: toy\nname: n\noutput: x", "output=null").output is None


WRONG_FILES = {
    "unknown key": ("method: toy\nname: n\nfoo: 1", "'foo'"),
    "unknown nested key": ("method: toy\nname: n\npart: {foo: 1}", "part.*'foo'"),
    "unknown key in a list": ("method: toy\nname: n\nparts: [{foo: 1}]", r"parts\[0\].*'foo'"),
    "wrong type": ("method: toy\nname: n\npart: {size: big}", r"part\.size: expected a whole number, got 'big'"),
    "not an integer": ("method: toy\nname: n\npart: {size: 1.5}", r"part\.size: expected a whole number, got 1\.5"),
    "no such choice": ("method: toy\nname: n\npart: {kind: z}", r"part\.kind.*'x', 'y'.*z"),
    "missing key": ("method: toy", "required: name"),
    "unknown method": ("method: nope", "'method' that is one of toy, other, got 'nope'"),
    "method of another type": ("method: [toy]", "one of toy, other"),
    "no mapping": ("- method", "got None"),
    "not YAML": ("a: [", "not valid YAML"),
    "not text": (b"method: toy\nname: \xff", "not valid YAML"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_wrong_files(read, case):
    text, message = WRONG_FILES[case]
    with pytest.raises(ConfigError, match=f"toy recipe.yaml.*{message}"):
        read(text)


@pytest.mark.parametrize("override", ["rate", "--rate=1", "nope=1", "part.nope=1", "rat=2", "rate=", "rate=fast", "help=1", "=1"])
def test_wrong_overrides(read, override):
    with pytest.raises(ConfigError):
        read("method: toy\nname: n", override)


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.yaml: No such"):
        read_recipe(tmp_path / "nowhere.yaml", [], {"toy": ToyRecipe})
    with pytest.raises(ConfigError, match="Is a directory"):
        read_recipe(tmp_path, [], {"toy": ToyRecipe})


def test_files_are_checked_against_their_digests(chain, capsys):
    chain.run()
    stages = [chain._stage("a", ()), chain._stage("b", ("a",)), chain._stage("c", ("a", "b"))]
    assert verify_stages(stages, chain.output) == 0
    (chain.output / "a" / "text").write_text("a2")
    (chain.output / "b" / "text").unlink()
    (chain.output / "b" / "more").mkdir()
    (chain.output / "b" / "more" / "x").touch()
    chain.configs["c"] = 2
    stages[2] = chain._stage("c", ("a", "b"))
    capsys.readouterr()
    assert verify_stages(stages, chain.output) == 3
    said = capsys.readouterr().err.splitlines()
    assert [line.split(maxsplit=1)[1] for line in said] == [
        "text has changed", "text is missing; more/x was not there", "made with another config",
    ]  # fmt: skip
    assert chain.ran == ["a", "b", "c"], "nothing runs to be checked"
    assert verify_stages(stages, chain.output / "nothing") == 3


def test_a_stage_receives_exactly_what_it_is_hashed_by(tmp_path):
    @dataclass(frozen=True)
    class Script:
        text: str
        ran: list[str] = field(default_factory=list)

        def decides(self) -> list[str]:
            return [self.text]

    @dataclass(frozen=True)
    class Corpus(StageConfig):
        script: Script
        seed: int = field(default=1, metadata={"name": "training.seed"})

    def write(out, inputs, config: Corpus) -> None:
        config.script.ran.append(config.script.text)
        (out / "seed").write_text(str(config.seed))

    def stage(config):
        return Stage("corpus", write, config)

    first, script = stage(Corpus(Script("a"))), Script("a")
    assert fingerprint(first, {}) == fingerprint(Stage("corpus", write, [["a"], 1]), {})  # as a list of what its fields decide
    run_stages([stage(Corpus(script))], tmp_path)
    run_stages([stage(Corpus(script))], tmp_path)
    assert script.ran == ["a"]
    run_stages([stage(Corpus(script, seed=2))], tmp_path)
    assert script.ran == ["a", "a"] and (tmp_path / "corpus" / "seed").read_text() == "2"

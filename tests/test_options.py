"""Options of recipes, whether they come from YAML, from the command line or from Python."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.docstrings import descriptions
from audiossl.errors import ConfigError
from audiossl.option_keys import list_keys
from audiossl.options import read_options, with_overrides


@dataclass
class Inner:
    """An inner section.

    Attributes:
        size: of a batch, which may
            take two lines.
        low, high: bounds.
    """

    size: int = 4
    low: float = 0.0
    high: float | None = None


@dataclass
class Outer:
    """A recipe.

    Attributes:
        name: in results.
    """

    name: str
    inner: Inner = field(default_factory=lambda: Inner(size=9))
    other: Inner | None = None
    kind: Literal["mvq", "rvq"] = "mvq"
    place: Path | None = None
    rows: dict[str, Inner] = field(default_factory=dict)
    tasks: list[Inner] = field(default_factory=list)
    pair: tuple[float, float] = (0.9, 0.98)
    any: tuple[int, ...] = ()
    bag: dict[str, Any] = field(default_factory=dict)
    on: bool = True


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        read_options(Outer, values)
    return str(caught.value)


def test_sections_change_only_their_keys_of_the_default():
    made = read_options(Outer, {"name": "a", "inner": {"low": 1}, "other": {"low": 2}, "rows": {"x": {}}})
    assert made.inner == Inner(size=9, low=1.0) and type(made.inner.low) is float
    assert made.other == Inner(low=2.0) and made.rows == {"x": Inner()}


def test_values_are_converted_where_that_is_safe():
    made = read_options(
        Outer, {"name": "a", "inner": {"size": "3", "high": "1e-3"}, "place": "x/y", "pair": ["1", 2], "any": [1], "on": "False"}
    )
    assert made.inner == Inner(3, 0.0, 1e-3) and made.place == Path("x/y") and made.pair == (1.0, 2.0) and made.any == (1,)
    assert made.on is False


def test_objects_are_taken_as_they_are():
    inner = Inner(1)
    assert read_options(Outer, {"name": "a", "inner": inner, "place": Path("x")}).inner is inner


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"name": "a", "inner": {"sise": 3}},
            "inner.sise: expected one of the keys size, low, high, got 'sise' (did you mean size?)",
        ),
        ({"name": "a", "inner": {"xyz": 3}}, "inner.xyz: expected one of the keys size, low, high, got 'xyz'"),
        ({"name": "a", "rows": {"b": {"high": "up"}}}, "rows.b.high: expected a number or null, got 'up'"),
        ({"name": "a", "tasks": [{}, {"size": 1.5}]}, "tasks[1].size: expected a whole number, got 1.5"),
        ({"name": "a", "kind": "mqv"}, "kind: expected one of 'mvq', 'rvq', got 'mqv' (did you mean mvq?)"),
        ({"name": 3}, "name: expected text, got 3"),
        ({"name": "a", "on": 3}, "on: expected true or false, got 3"),
        ({"name": "a", "inner": {"size": True}}, "inner.size: expected a whole number, got True"),
        ({"name": "a", "inner": None}, "inner: expected a mapping of size, low, high, got null"),
        ({"name": "a", "other": 3}, "other: expected a mapping of size, low, high or null, got 3"),
        ({"name": "a", "tasks": "x"}, "tasks: expected a list, got 'x'"),
        ({"name": "a", "rows": [1]}, "rows: expected a mapping, got [1]"),
        ({"name": "a", "pair": [1]}, "pair: expected a list of 2, got 1 values"),
        ({"inner": {}}, "expected the keys that are required: name, got only inner"),
    ],
)
def test_a_fault_names_the_key_what_was_expected_and_what_came(values, said):
    assert refusal(values) == said


def test_overrides_are_dotted_and_leave_the_values_alone():
    values = {"name": "a", "inner": {"low": 1}, "rows": {"x": {"low": 1}}, "tasks": [{"size": 1}]}
    words = ["inner={high: 2}", "rows={y: {}}", "rows.y.low=3", "tasks+={size: 2}", "name=3", "place=null", "kind=rvq"]
    made = read_options(Outer, with_overrides(Outer, values, words))
    assert made.inner == Inner(9, 1.0, 2.0) and made.rows == {"y": Inner(low=3.0)}
    assert [task.size for task in made.tasks] == [1, 2] and made.name == "3" and made.kind == "rvq"
    assert values["rows"] == {"x": {"low": 1}} and len(values["tasks"]) == 1


@pytest.mark.parametrize("word", ["training", "--to", "=3", "-x=3"])
def test_other_words_are_refused(word):
    with pytest.raises(ConfigError, match="key=value"):
        with_overrides(Outer, {}, [word])


@given(size=st.integers(), low=st.floats(allow_nan=False), pair=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)))
def test_what_a_config_holds_reads_back_as_it_is(size, low, pair):
    config = Outer("a", Inner(size, low), None, pair=pair, tasks=[Inner(size)])
    assert read_options(Outer, asdict(config)) == config


def test_keys_are_listed_with_what_docstrings_say():
    keys = {key.name: key for key in list_keys(Outer)}
    assert keys["name"].description == "in results." and keys["name"].default == ""
    assert (
        keys["inner.size"].description == "of a batch, which may take two lines." and keys["inner.size"].type == "a whole number"
    )
    assert keys["inner.size"].default == "9" and keys["other.size"].default == "4"
    assert keys["tasks[N].low"].description == "bounds." == keys["rows.NAME.high"].description
    assert keys["kind"].type == "mvq | rvq" and keys["kind"].default == "mvq"
    assert [keys[name].default for name in ("on", "pair", "place", "bag")] == ["true", "[0.9, 0.98]", "null", "{}"]
    assert descriptions(Inner)["high"] == "bounds."

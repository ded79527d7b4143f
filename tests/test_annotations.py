"""`Any` in public signatures: only at a library's untyped border, and few."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "audiossl"
MOST = 40


def untyped(source: str) -> Iterator[str]:
    """Arguments and returns of public functions, and of public methods of public classes, that are annotated with `Any`."""
    for node in ast.parse(source).body:
        is_class = isinstance(node, ast.ClassDef)
        owner = f"{node.name}." if is_class else ""
        for function in node.body if is_class and not owner.startswith("_") else [node]:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and not function.name.startswith("_"):
                yield from (f"{owner}{function.name}({slot})" for slot, note in _slots(function) if _has_any(note))


def _slots(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.expr]]:
    said = function.args
    for one in (*said.posonlyargs, *said.args, *said.kwonlyargs, said.vararg, said.kwarg):
        if one is not None and one.annotation is not None:
            yield one.arg, one.annotation
    if function.returns is not None:
        yield "return", function.returns


def _has_any(note: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in ast.walk(note))


def test_few_public_signatures_say_any():
    files = sorted(PACKAGE.rglob("*.py"))
    found = [f"{path.relative_to(PACKAGE)}: {place}" for path in files for place in untyped(path.read_text(encoding="utf-8"))]
    assert len(found) <= MOST, f"{len(found)} of at most {MOST} say Any:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("def f(a: Any, *b: int, **c: dict[str, Any]) -> int | None: ...", ["f(a)", "f(c)"]),
        ("class A:\n    def g(self) -> list[Any]: ...\n    def _h(self, a: Any) -> None: ...", ["A.g(return)"]),
        ("def _f(a: Any): ...\nclass _A:\n    def g(self, a: Any): ...", []),
    ],
)
def test_what_is_counted(source, places):
    assert list(untyped(source)) == places

"""No module imports another that imports it, not even inside a function or for types only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("audiossl", "recipes", "tools")
LAZY_FACES = "attach_stub"  # by which an `__init__.py` imports what the `.pyi` next to it lists


def module_files(root: Path, parts: tuple[str, ...]) -> dict[str, Path]:
    """Files of every module, by its dotted name; a package is named by its folder."""
    files = [path for part in parts for path in sorted((root / part).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports anywhere; the packages above them are entered but not used."""
    text = path.read_text(encoding="utf-8")
    trees = [ast.parse(text)]
    if LAZY_FACES in text:
        trees.append(ast.parse(path.with_suffix(".pyi").read_text(encoding="utf-8")))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from a import b` means the module a.b where there is one, else a name of a.
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names}
    return (found & known.keys()) - {name}


def circles(root: Path, parts: tuple[str, ...] = PARTS) -> list[list[str]]:
    """Groups of modules that can be reached from each other (Tarjan's strongly connected components)."""
    known = module_files(root, parts)
    arrows = {name: sorted(imports(name, path, known)) for name, path in known.items()}
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in arrows[name]:
            if other not in order:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in known:
        if name not in order:
            visit(name)
    return found


def test_there_is_no_circle():
    assert len(module_files(ROOT, PARTS)) > 300
    assert circles(ROOT) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import own.b", "from own.a import x"),
        ("def f():\n    from own import b", "def f():\n    from . import a"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import x", "import own.a"),
    ],
)
def test_a_circle_is_found_wherever_the_import_is(tmp_path, one, other):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").touch()
    (tmp_path / "own" / "a.py").write_text(one)
    (tmp_path / "own" / "b.py").write_text(other)
    assert circles(tmp_path, ("own",)) == [["own.a", "own.b"]]
    (tmp_path / "own" / "b.py").write_text("from own import c")
    (tmp_path / "own" / "c.py").touch()
    assert circles(tmp_path, ("own",)) == []


def test_a_lazy_face_imports_what_its_stub_lists(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("__getattr__, _, _ = lazy_loader.attach_stub(__name__, __file__)")
    (tmp_path / "own" / "__init__.pyi").write_text("from own.a import x")
    (tmp_path / "own" / "a.py").write_text("from own import x")
    assert circles(tmp_path, ("own",)) == [["own", "own.a"]]

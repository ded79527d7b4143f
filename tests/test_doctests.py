"""Examples of docstrings, and the Python blocks of the README that need no model from elsewhere, run as they stand."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

EXTRAS = {  # what the examples of a file need beyond the core
    "exporters/auto_model.py": "transformers",
    "teachers/hugging_face.py": "transformers",
    "tokens/finite_scalar.py": "vector_quantize_pytorch",
    "tokens/residual.py": "vector_quantize_pytorch",
}
ROOT = Path(__file__).resolve().parents[1]
FILES = [path for path in sorted((ROOT / "audiossl").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if needed := EXTRAS.get(path.relative_to(ROOT / "audiossl").as_posix()):
        pytest.importorskip(needed)
    module = importlib.import_module(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."))
    examples = [example for found in doctest.DocTestFinder().find(module) for example in found.examples]
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert examples and not result.failed  # of kits and downloads an example may be all skipped

"""What a command imports before it does anything."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from audiossl.evaluation.results import ResultRow, write_results
from audiossl.models import Zipformer, hub

HEAVY = {"torch", "scipy", "sklearn", "pandas", "lhotse", "transformers", "matplotlib"}
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
LIGHT_COMMANDS = """
import json, sys
from pathlib import Path
from audiossl.cli import main
for command in (["models"], ["recipes"], ["compare", sys.argv[1]], ["--help"]):
    try:
        assert main(command) == 0
    except SystemExit as end:  # of --help
        assert not end.code
import audiossl
from audiossl.verbs.run import Run
assert Run(Path(sys.argv[1])).results[0].model == "student"
assert len(audiossl.list_models()) > 3
print(json.dumps(sorted(sys.modules)))
"""
LOAD = """
import json, sys
import torch
before = set(sys.modules)
import audiossl
assert audiossl.load(sys.argv[1]).num_layers > 1
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported_by(program: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_lists_help_and_results_need_no_torch(tmp_path):
    rows = [
        ResultRow("digits", task, model, "accuracy", value, value - 0.1, value + 0.1, 50)
        for task, values in (("word", (0.8, 0.5, 0.2)), ("speaker", (0.7, 0.6, 0.1)))
        for model, value in zip(("student", "logmel", "random"), values, strict=True)
    ]
    write_results(tmp_path / "results.json", rows)
    assert not imported_by(LIGHT_COMMANDS, str(tmp_path)) & HEAVY


@pytest.mark.slow
def test_loading_an_encoder_imports_neither_the_compiler_of_torch_nor_the_heavy_libraries(tmp_path):
    hub.save(Zipformer.from_preset("tiny"), tmp_path)
    assert not imported_by(LOAD, str(tmp_path)) & (HEAVY | COMPILER)

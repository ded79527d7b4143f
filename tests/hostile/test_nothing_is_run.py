"""No code path unpickles, evaluates or hands to a shell what came from outside, but for the one reader of plain pickles.

What a process hands to workers of its own came from nowhere else: one line may read that, and no other of its file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("audiossl", "recipes", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]
FORBIDDEN = {
    "unpickling": re.compile(r"\bpickle\.(load|loads|Unpickler)\b|\b(joblib|dill|cloudpickle)\.load|\bread_pickle\b|\bshelve\."),
    "weights with pickles": re.compile(r"\btorch\.load\((?!.*weights_only=True)|\bweights_only=False"),
    "arrays of objects": re.compile(r"\ballow_pickle=True"),
    "evaluation": re.compile(r"(?<![\w.])(eval|exec|compile|__import__)\("),
    "YAML with tags": re.compile(r"\byaml\.(load|unsafe_load|full_load|load_all)\("),
    "a shell": re.compile(r"\bshell=True|\bos\.(system|popen)\("),
    "code of a hub": re.compile(r"\btrust_remote_code=True|\btorch\.hub\.load\("),
}


# Written by the parent a moment before, into a folder that only its user can read.
OWN_PARCEL = ("worker_processes.py", "_work = pickle.loads(Path(parcel).read_bytes())")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_from_outside_is_run(what):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        if path.name != "plain_pickle.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line.split("  #")[0]) and (path.name, line.strip()) != OWN_PARCEL
    ]
    assert found == []


def test_the_patterns_find_what_they_are_for():
    bad = {
        "unpickling": "x = pickle.load(file)", "weights with pickles": "torch.load(path)",
        "arrays of objects": "np.load(p, allow_pickle=True)",
        "evaluation": "y = eval(text)", "YAML with tags": "yaml.load(file)", "a shell": "run(c, shell=True)",
        "code of a hub": "from_pretrained(n, trust_remote_code=True)",
    }  # fmt: skip
    assert bad.keys() == FORBIDDEN.keys() and all(FORBIDDEN[what].search(line) for what, line in bad.items())
    assert not FORBIDDEN["evaluation"].search("model.eval()") and not FORBIDDEN["weights with pickles"].search(
        "torch.load(path, map_location='cpu', weights_only=True)"
    )
    assert len(SOURCES) > 200

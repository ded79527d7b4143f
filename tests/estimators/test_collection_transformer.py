"""aeon's checks of the adapter around every estimator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from array_examples import SMALL, windows

# aeon's checks that are left out, and why: none.
EXCLUDED: dict[str, str] = {}
# Estimators that aeon's data do not suit, and why.
NOT_RUN = {
    "ConnectivityMAE": "aeon's examples have one channel, and a single region is connected with nothing",
    "NeighbourWhitening": "aeon's fit has no groups, so that neighbours are not known",
}


@pytest.mark.slow  # aeon and numba
def test_checks_of_aeon():
    names = [name for name in SMALL if name not in NOT_RUN]
    program = Path(__file__).with_name("aeon_checks.py")
    ran = subprocess.run([sys.executable, program, json.dumps(list(EXCLUDED)), *names], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert {name: one["failed"] for name, one in found.items()} == {name: {} for name in names}
    assert all(one["checks"] >= 20 for one in found.values())


@pytest.mark.slow
def test_features_are_those_of_the_estimator():
    pytest.importorskip("aeon")
    from audiossl.estimators.collection_transformer import CollectionTransformer

    X = windows()
    for name in ("SimCLR", "ConnectivityMAE"):
        adapter = CollectionTransformer(SMALL[name])
        assert (adapter.fit_transform(X) == SMALL[name].fit_transform(X)).all()
        assert adapter.transformer is SMALL[name]

"""BasicMotions: the miniature in its true form, what is refused, and the numbers of the real package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from imu_layouts import BASIC_MOTIONS, imu_values, write_basic_motions

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Annotation, Rejected

RECIPE = Path(__file__).resolve().parents[2] / "recipes/basic_motions/prepare.py"
PREPARE = load_script(RECIPE, functions=("recordings",)).module


def test_miniature(tmp_path):
    write_basic_motions(tmp_path)
    found = list(PREPARE.recordings(tmp_path, None))
    assert len({one.id for one in found}) == 16
    named = {one.id: one for one in found}
    one = named["test_03"]
    assert (one.subject, one.rate, one.custom) == ("test_03", 10.0, {"side": "test"})
    np.testing.assert_allclose(one.values, imu_values(100, 102).T, atol=1e-5)
    assert one.annotations == {"activity": (Annotation(0.0, 10.0, "Running"),)}
    for one, again in zip(found, PREPARE.recordings(tmp_path, None), strict=True):
        assert (one.id, one.annotations) == (again.id, again.annotations)
        np.testing.assert_array_equal(one.values, again.values)


def test_the_first_few_are_of_all_activities_and_sides(tmp_path):
    write_basic_motions(tmp_path)
    first = list(PREPARE.recordings(tmp_path, 8))
    assert Counter((one.custom["side"], one.annotations["activity"][0].value) for one in first) == dict.fromkeys(
        [(side, activity) for side in ("train", "test") for activity in BASIC_MOTIONS], 1
    )


def test_damaged_cases_are_rejected_and_missing_samples_kept(tmp_path):
    path = write_basic_motions(tmp_path)["train"]
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1].replace(",", ",x", 1)
    lines[-2] = lines[-2].replace("Badminton", "Chess")
    lines[-3] = lines[-3].replace(",", ":", 1)
    lines[-4] = lines[-4].replace(":", ":?,", 1)
    lines[-5] = "?" + lines[-5][lines[-5].index(",") :]
    path.write_text("\n".join(lines) + "\n")
    found = {one.id: one for one in PREPARE.recordings(tmp_path, None)}
    rejected = {one.id: one.reason for one in found.values() if isinstance(one, Rejected)}
    assert rejected.keys() == {"train_05", "train_06", "train_07", "train_08"}
    assert all(f"{path}, case {int(id_[-2:])}:" in reason for id_, reason in rejected.items())
    assert "Chess" in rejected["train_07"] and "one length" in rejected["train_05"]
    assert np.argwhere(np.isnan(found["train_04"].values)).tolist() == [[0, 0]]


def test_damaged_or_missing_files_are_named(tmp_path):
    files = write_basic_motions(tmp_path)
    files["train"].write_text(files["train"].read_text().replace("@dimensions 6", "@dimensions 3"))
    with pytest.raises(DataError, match=r"BasicMotions_TRAIN\.ts"):
        list(PREPARE.recordings(tmp_path, None))
    (tmp_path / "aeon-1.6.0.dist-info").mkdir()
    files["test"].unlink()
    with pytest.raises(DataError, match=r"BasicMotions_TEST\.ts"):
        list(PREPARE.recordings(tmp_path, None))


@pytest.mark.slow
def test_real_package():
    found = list(PREPARE.recordings(None, None))
    assert Counter((one.custom["side"], one.annotations["activity"][0].value) for one in found) == dict.fromkeys(
        [(side, activity) for side in ("train", "test") for activity in BASIC_MOTIONS], 10
    )
    assert {one.values.shape for one in found} == {(6, 100)}

"""What a page shows next to scores: written, and read as earlier versions wrote it."""

from __future__ import annotations

from audiossl.files import read_json, write_json
from audiossl.pipelines.connectivity.details import FILE, Details


def test_files_of_earlier_versions_are_read(tmp_path):
    details = Details(["p1"], [])
    details.add("sex", "mae", "accuracy", [0.5])
    details.add_context("sex", "mae", {"p_value": 0.1})
    details.write(tmp_path)
    assert Details.read(tmp_path) == details
    plain = read_json(tmp_path / FILE)
    assert plain["context"] == {"sex": {"mae": {"p_value": 0.1}}} and "beside" not in plain
    write_json(tmp_path / FILE, {("beside" if key == "context" else key): value for key, value in plain.items()})
    assert Details.read(tmp_path) == details

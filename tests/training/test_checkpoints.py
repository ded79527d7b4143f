"""Checkpoints that are whole, few, and never trusted blindly."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import StoreError
from audiossl.training.checkpoints import latest_checkpoint, list_checkpoints, load_checkpoint, save_checkpoint


def save(folder, step, keep=3):
    return save_checkpoint(folder, step, {"weights": torch.full((2000,), float(step))}, keep)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:3000])


def empty(path):
    path.write_bytes(b"")


def test_the_newest_are_kept(tmp_path):
    for step in (5, 10, 100, 20_000):
        save(tmp_path, step, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00020000.pt", "step-00000100.pt"]
    newest = latest_checkpoint(tmp_path)
    assert newest.state["step"] == 20_000
    assert float(newest.state["weights"][7]) == 20_000
    assert latest_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, empty])
def test_a_damaged_newest_is_reported_and_the_one_before_is_used(tmp_path, damage):
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    damage(newest)
    found = latest_checkpoint(tmp_path)
    assert found.state["step"] == 1
    assert found.damaged == [newest]
    damage(found.path)
    with pytest.raises(StoreError, match="none of the 2 checkpoints"):
        latest_checkpoint(tmp_path)


def test_nothing_is_executed_and_foreign_files_are_refused(tmp_path):
    torch.save({"format": 1, "evil": pytest.raises}, tmp_path / "step-00000001.pt")
    with pytest.raises(StoreError, match="cannot be read"):
        load_checkpoint(tmp_path / "step-00000001.pt")
    torch.save([1, 2], tmp_path / "step-00000002.pt")
    with pytest.raises(StoreError, match="not a checkpoint of format"):
        load_checkpoint(tmp_path / "step-00000002.pt")


def test_a_failed_write_leaves_the_old_ones(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(Exception, match=r"pickle|lambda|local"):
        save_checkpoint(tmp_path, 2, {"weights": lambda: 0}, keep=1)
    assert latest_checkpoint(tmp_path).state["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.pt"]

"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiossl.threads import wait_passively

wait_passively()  # before torch is imported
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core: the problems of the tests are too small for more

import torch  # noqa: E402

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=20, help="how often the fault suite kills each command")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker a core for the whole default run; named files, and slow tests, which measure and kill, run one after another."""
    whole = [Path(name).resolve() for name in config.args] == [Path(__file__).parent] and config.option.markexpr == "not slow"
    return len(os.sched_getaffinity(0)) if whole and not config.option.collectonly else 0


@pytest.fixture(autouse=True)
def _restore_torch_seed():
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder with outputs of the reference SPEAR implementation; tests that need it are skipped where it is absent."""
    if not GOLDEN.is_dir():
        pytest.skip(f"golden values of the reference implementation are not at {GOLDEN}")
    return GOLDEN


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Folder of a tiny untrained Zipformer."""
    from audiossl.models import Zipformer, ZipformerConfig, hub

    three = (16,) * 3
    torch.manual_seed(0)
    config = ZipformerConfig(
        num_mel_bins=16, downsampling_factor=(1, 4, 2), num_encoder_layers=(1, 1, 1), feedforward_dim=three, encoder_dim=three,
        encoder_unmasked_dim=(8,) * 3, cnn_module_kernel=(7, 5, 3), num_heads=(2,) * 3, frontend="conv1d", query_head_dim=8,
        value_head_dim=4,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("student")
    hub.save(Zipformer(config), folder)
    return folder

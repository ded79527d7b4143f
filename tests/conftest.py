"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from audiossl.threads import wait_passively

wait_passively()  # before torch is imported
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"


# Every run tries the same examples, so that a change is judged by itself; `--hypothesis-profile=search` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search")
settings.load_profile("same")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process a core, at most four, for the whole default run; none where files are named, or slow tests asked for."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.option.markexpr == "not slow"
    return min(4, os.cpu_count() or 1) if is_whole and not config.option.keyword else 0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=20, help="how often the fault suite kills each command")


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


@pytest.fixture
def hub_stub(tmp_path, monkeypatch):
    """A hub on this machine, to which huggingface_hub and its token lead; large files go by LFS, for there is no Xet server."""
    import huggingface_hub
    from hub_stub import TOKEN, HubStub
    from huggingface_hub import constants

    with HubStub().running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
        getattr(huggingface_hub, "close_session", lambda: None)()  # since version 1

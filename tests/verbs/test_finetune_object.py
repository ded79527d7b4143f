"""An encoder in memory, handed to `audiossl.finetune`: what name the run is told."""

from __future__ import annotations

import pytest
import torch

from audiossl.embedding.wrap import wrap_module
from audiossl.errors import ConfigError
from audiossl.load import load
from audiossl.models import hub
from audiossl.models.zipformer import Zipformer
from audiossl.models.zipformer_config import ZipformerConfig
from audiossl.verbs import finetune as verb
from audiossl.verbs.run import Run

SMALL = ZipformerConfig(
    encoder_dim=(16,), feedforward_dim=(16,), num_encoder_layers=(1,), num_heads=(2,), encoder_unmasked_dim=(16,),
    downsampling_factor=(1,), cnn_module_kernel=(5,),
)  # fmt: skip


@pytest.fixture
def named(monkeypatch, tmp_path):
    """What `finetune` tells the run as `encoder`."""
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    asked = []

    def run_method(method, recipe, overrides, keys, **how):
        asked.append(keys["encoder"])
        return Run(tmp_path)

    monkeypatch.setattr(verb, "run_method", run_method)

    def name_of(encoder):
        verb.finetune(encoder, "ctc")
        return asked.pop()

    return name_of


def test_what_a_name_leads_to_keeps_its_name_and_what_was_changed_is_saved(named, tmp_path):
    hub.save(Zipformer(SMALL), tmp_path / "mine")
    model = load(tmp_path / "mine")
    assert named(model) == named(tmp_path / "mine") == named(Run(tmp_path / "mine")) == str(tmp_path / "mine")
    with torch.no_grad():
        next(model.encoder.parameters()).add_(1.0)
    again = named(model)
    assert again == named(model) == str(tmp_path / "cache" / "encoders" / model.digest)
    assert all(map(torch.equal, load(again).encoder.state_dict().values(), model.encoder.state_dict().values()))


def test_a_wrapped_module_is_refused_before_anything_runs(named):
    module = wrap_module(torch.nn.Sequential(torch.nn.Conv1d(1, 4, 32, 32)), sample_rate=1600, hop=32, layout="time_last")
    with pytest.raises(ConfigError, match=r"WrappedModule does not say with which call, .*my_encoder\.py:make"):
        named(module)

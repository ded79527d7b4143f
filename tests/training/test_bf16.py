"""Training in bf16: norms, softmaxes and losses stay in float32, and a step is close to that in float32."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from audiossl.models.student import make_student, use_training_devices
from audiossl.models.training_devices import TrainingDevices
from audiossl.objectives.batch import collate_tokens
from audiossl.objectives.masked_prediction import MaskedPredictionConfig, TokenStream
from audiossl.objectives.masked_tokens import MaskedTokens
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import autocast

ISLANDS = ("_softmax", "_log_softmax", "rsqrt", "softplus", "nll_loss_forward", "log", "exp", "linalg_vector_norm", "_fft_r2c")
BACKWARD = ("_softmax_backward_data", "_log_softmax_backward_data")


class Types(TorchDispatchMode):
    """Notes in which types the operations of the islands, and matrix products, are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in (*ISLANDS, *BACKWARD, "mm", "addmm", "bmm") and isinstance(args[0], torch.Tensor):
            self.seen.setdefault(name, set()).add(args[0].dtype)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("devices", [False, True])
@pytest.mark.parametrize("frontend", ["conv1d", "conv2d"])
def test_a_step_in_bf16_is_close_and_has_its_islands(frontend: str, devices: bool):
    ends = {}
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        sizes = {"num_mel_bins": 20, "encoder_dim": (32,) * 5, "feedforward_dim": (32,) * 5, "encoder_unmasked_dim": (16,) * 5}
        student = make_student("zipformer", "tiny", {**sizes, "frontend": frontend})
        use_training_devices(student, TrainingDevices(enabled=devices), 30.0)
        objective = MaskedTokens(student, {"t": TokenStream(50.0, 2, 16)}, MaskedPredictionConfig(channel_mask_length=3)).train()
        batch = collate_tokens(
            ["a", "b"], [torch.randn(1, 16000), torch.randn(1, 9000)],
            [{"t": torch.randint(16, (50, 2))}, {"t": torch.randint(16, (28, 2))}],
        )  # fmt: skip
        torch.manual_seed(1)
        with Types() as found:
            with autocast(TrainingConfig(precision=precision), torch.device("cpu")):
                loss = objective(batch)
            loss.total.backward()
        gradient = torch.cat([param.grad.flatten() for param in objective.parameters() if param.grad is not None])
        assert gradient.dtype == torch.float32
        ends[precision] = float(loss.total.detach()), gradient, found.seen
    (plain, gradient, _), (loss, rounded, seen) = ends["float32"], ends["bf16"]
    assert loss == pytest.approx(plain, rel=0.01)
    assert torch.cosine_similarity(gradient, rounded, dim=0) > 0.97
    assert torch.bfloat16 in seen["addmm"] | seen.get("mm", set()) and torch.bfloat16 in seen["bmm"]
    low = {name: types for name, types in seen.items() if name in (*ISLANDS, *BACKWARD) and torch.bfloat16 in types}
    assert not low, low
    assert {"_softmax", "_log_softmax", "rsqrt"} <= set(seen)


@pytest.mark.parametrize("keeps", [True, False])
def test_casts_are_kept_only_where_torch_keeps_their_gradients(monkeypatch, keeps):
    monkeypatch.setattr("audiossl.training.devices.KEEPS_CASTS", keeps)
    layer, x = torch.nn.Linear(3, 2), torch.ones(1, 3)
    with autocast(TrainingConfig(max_steps=1, precision="bf16"), torch.device("cpu")):
        assert torch.is_autocast_cache_enabled() is keeps
        with torch.no_grad():
            layer(x)
        layer(x).sum().backward()
    assert layer.weight.grad is not None

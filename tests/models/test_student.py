"""Students from outside the package: made from a recipe's words, trained by masked prediction, refused where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.models.student import STUDENTS, FeatureStudent, make_student, use_training_devices
from audiossl.models.training_devices import TrainingDevices
from audiossl.models.zipformer import Zipformer
from audiossl.objectives.batch import collate_tokens
from audiossl.objectives.masked_features import MaskedFeatures
from audiossl.objectives.masked_tokens import MaskedTokens, TokenStream


@pytest.fixture(params=["own_student", str(Path(__file__).parents[1] / "own_student.py")], ids=["module", "file"])
def own(request) -> str:
    return request.param


def make_batch():
    signals = [torch.randn(1, size) for size in (16000, 9600)]
    codes = [torch.randint(4, (size // 320, 2), dtype=torch.uint8) for size in (16000, 9600)]
    return collate_tokens(["a", "b"], signals, [{"own": code} for code in codes])


def test_the_zipformer_is_a_student_as_before():
    torch.manual_seed(3)
    first = make_student("zipformer", "tiny", {"num_mel_bins": 24})
    torch.manual_seed(3)
    second = Zipformer.from_preset("tiny", num_mel_bins=24)
    assert isinstance(first, Zipformer) and isinstance(first, FeatureStudent) and first.num_mel_bins == 24
    assert all(torch.equal(one, two) for one, two in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert "zipformer" in STUDENTS


@pytest.mark.parametrize("objective", ["tokens", "features"])
def test_a_class_from_outside_learns_by_masked_prediction(own, objective):
    torch.manual_seed(0)
    student = make_student(f"{own}:MyEncoder", None, {"dim": "12"})
    assert student.dim == 12
    model = MaskedTokens(student, {"own": TokenStream(50.0, 2, 4)}) if objective == "tokens" else MaskedFeatures(student, 20)
    assert "mask_emb" in dict(model.named_parameters(recurse=False)), "the objective brings what the student lacks"
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    batch, losses = make_batch(), []
    for _ in range(12):
        loss = model(batch)
        optimiser.zero_grad()
        (loss.total / loss.weight).backward()
        optimiser.step()
        losses.append(loss.mean())
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        ("zipfomer", {}, r"no student 'zipfomer' \(did you mean zipformer\?\)"),
        ("zipformer", {"nope": 1}, "unknown Zipformer fields"),
        ("FILE:NoFeatures", {}, "has no compute_features, forward_features"),
        ("FILE:MyEncoder", {"dmi": 1}, r"student.overrides.dmi: expected one of the keys .* \(did you mean dim\?\)"),
        ("FILE:MyEncoder", {"dim": "wide"}, "student.overrides.dim: expected a whole number"),
        ("FILE:NoBins", {}, "expected an nn.Module with .*num_mel_bins"),
        ("FILE:Unsaved", {"dim": 4}, "cannot be saved. Give the class one argument, `config`"),
    ],
)
def test_what_is_no_student_is_refused_before_training(own, kind, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        make_student(kind.replace("FILE", own), "tiny", options)


def test_training_devices_are_for_students_that_have_them(own):
    mine, zipformer = make_student(f"{own}:MyEncoder"), make_student()
    use_training_devices(mine, TrainingDevices(), 10.0)
    with pytest.raises(ConfigError, match="MyEncoder has no training devices"):
        use_training_devices(mine, TrainingDevices(enabled=True), 10.0)
    use_training_devices(zipformer, TrainingDevices(enabled=True), 10.0)
    assert zipformer.devices is not None

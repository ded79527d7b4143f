import math
from dataclasses import replace

import pytest
import torch
from semi_examples import K, batch, make
from window_examples import small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.objectives.cutmix import CutMix
from audiossl.objectives.semi_batch import SemiBatch, Views
from audiossl.objectives.tracoco import TraCoCo, TraCoCoConfig, kl_on_overlap, negative_entropy, taught_by
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator

ALL = torch.ones(1, 1, dtype=torch.bool)


def test_two_classes_as_in_the_paper():
    q = 0.95
    teacher = torch.tensor([[[math.log(q), math.log(1 - q)]]])
    student = torch.tensor([[[math.log(0.6), math.log(0.4)]]])
    expected = q * -math.log(0.6) + (1 - q) * -math.log(1 - 0.4)
    assert float(taught_by(teacher, student, ALL, 0.65, 0.1)) == pytest.approx(expected, rel=1e-5)
    assert float(taught_by(teacher, student, ALL, 1.01, 0.0)) == 0


def test_agreement_on_the_overlap():
    a, b = torch.tensor([[[0.0, math.log(3.0)]]]), torch.tensor([[[0.0, 0.0]]])
    assert float(kl_on_overlap(a, a, ALL)) == 0
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert float(kl_on_overlap(a, b, ALL)) == pytest.approx(expected, rel=1e-5)
    assert float(negative_entropy(b, ALL)) == pytest.approx(-math.log(2), rel=1e-5)


def test_teachers_of_each_other_have_no_gradient():
    objective, example = make("tracoco", confident=0.0), batch()
    for parameter in objective.head.parameters():
        parameter.requires_grad_(False)
    loss = objective(example)
    loss.total.backward()
    assert all(parameter.grad is None for parameter in objective.head.parameters())
    assert all(torch.count_nonzero(parameter.grad) for parameter in objective.other_head.parameters())


def test_crops_of_an_encoder_without_context_agree_exactly():
    """Frames of an encoder that sees one frame at a time do not depend on where the crop begins."""
    objective, example = make("tracoco", frames=True), batch(frames=6)
    weak = example.unlabelled.weak
    crops = (WindowBatch.of(weak.signal[:, :, :4]), WindowBatch.of(weak.signal[:, :, 2:]))
    example.unlabelled = replace(example.unlabelled, crops=crops, shift=2)
    assert objective(example).means()["translation"] == pytest.approx(0, abs=1e-7)
    example.unlabelled = replace(example.unlabelled, shift=1)
    assert objective(example).means()["translation"] > 1e-3


def test_crops_of_a_residual_network():
    objective = TraCoCo(small_resnet(), K, frame_wise=True)
    window = windows(4)
    crops = (
        WindowBatch.of(window.signal[:, :, :48].contiguous()),
        WindowBatch.of(window.signal[:, :, 16:].contiguous()),
    )
    views = Views(window, [window], [0], crops, 8)
    loss = objective(SemiBatch(views, torch.zeros(4, 32, dtype=torch.int64), views, torch.full((4, 32), -1)))
    assert math.isfinite(loss.mean()) and loss.means()["translation"] > 0


def mixture_of(objective, windows):
    """The mixture that the objective draws at this step."""
    generator = derive_generator(windows.seed, objective.step, *windows.ids[:1], "cutmix")
    return CutMix.draw(windows, objective.encoder.alignment, objective.config.cutmix, generator)


def test_the_second_network_is_taught_on_stretches_of_other_windows():
    """Frame by frame: without context, its logits of a mixture are the mixture of its logits."""
    objective, example = make("tracoco", frames=True, confident=0.4), batch(frames=6)
    weak, valid = example.unlabelled.weak, torch.ones(8, 6, dtype=torch.bool)
    mixture = mixture_of(objective, weak)
    assert 0 < mixture.count < 6 and mixture.order.tolist() != list(range(8))
    one, two = objective.head(weak.signal.transpose(1, 2)), objective.other_head(weak.signal.transpose(1, 2))
    cut = [torch.stack([_cut(x, mixture, row) for row in range(8)]) for x in (one, two)]
    expected = taught_by(two, one, valid, 0.4, 0.1) + taught_by(*cut, valid, 0.4, 0.1)
    assert objective(example).means()["taught"] == pytest.approx(float(expected.detach()), rel=1e-5)
    plain = make("tracoco", frames=True, confident=0.4, cutmix=0.0)(example).means()["taught"]
    assert plain != pytest.approx(float(expected.detach()), rel=1e-3)


def _cut(x, mixture, row):
    begin, other = int(mixture.start[row]), int(mixture.order[row])
    mixed = x[row].clone()
    mixed[begin : begin + mixture.count] = x[other, begin : begin + mixture.count]
    return mixed


def test_whole_windows_are_taught_by_the_shares_of_both():
    objective, window = TraCoCo(small_resnet(), K, TraCoCoConfig(confident=0.0)).eval(), windows(4)
    views, valid = Views(window, [window], [0]), torch.ones(4, 1, dtype=torch.bool)
    mixture = mixture_of(objective, window)
    assert 0 < mixture.share < 1
    with torch.no_grad():
        one, two = objective.classify(window)[0], objective._classify_other(window)[0]
        student = objective._classify_other(mixture.of_signal(window))[0]
        parts = [float(taught_by(logits, student, valid, 0.0, 0.1)) for logits in (one, one[mixture.order])]
        expected = float(taught_by(two, one, valid, 0.0, 0.1)) + (1 - mixture.share) * parts[0] + mixture.share * parts[1]
        found = objective(SemiBatch(views, torch.zeros(4, 1, dtype=torch.int64), views, torch.full((4, 1), -1)))
    assert found.means()["taught"] == pytest.approx(expected, rel=1e-5)


def test_vectors_have_no_stretches():
    example = batch()
    found, plain = (make("tracoco", confident=0.0, cutmix=beta)(example).mean() for beta in (4.0, 0.0))
    assert found == plain
    with pytest.raises(ConfigError, match="cutmix of at least 0"):
        make("tracoco", cutmix=-1.0)

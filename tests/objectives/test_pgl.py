"""PGL: frames of two crops at the same times, and BYOL on them."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from toy_encoder import HOP, BareEncoder
from window_examples import bring, small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.encoder import Frames
from audiossl.objectives.crops import CropConfig, cut_crops
from audiossl.objectives.frame_alignment import on_shared_axis
from audiossl.objectives.objective import Needs
from audiossl.objectives.pgl import PGL, PGLConfig, distances
from audiossl.objectives.window_batch import WindowBatch

WAYS = [CropConfig(), CropConfig(0.7, 0.0), CropConfig(0.7, 0.5, 0.5)]


class Means(nn.Module):
    """The means of every so many samples as frames: of a ramp they say their time. A final one is of `pooled`."""

    num_layers = 1

    def __init__(self, hop=4, pooled=1, rate=50.0):
        super().__init__()
        self.hop, self.pooled, self.sample_rate, self.dim = hop, pooled, rate, 6
        self.frame_rate, self.last_frame_rate = rate / hop, rate / hop / pooled
        self.frame_offset, self.min_samples, self.alignment = hop / 2 / rate, hop, hop
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, signal, lengths):
        frames = self.scale * signal.unfold(2, self.hop, self.hop).mean(3).transpose(1, 2)
        counts = lengths // self.hop
        last = frames.unfold(1, self.pooled, self.pooled).mean(3)
        return Frames((frames,), counts, last, counts // self.pooled)


def ramps(lengths=(64, 50, 33), size=64):
    lengths = torch.tensor(lengths)
    times = (torch.arange(size) + 0.5) * (torch.arange(size) < lengths[:, None])
    batch = WindowBatch.of(times[:, None].repeat(1, 6, 1), lengths, rate=50)
    return replace(batch, seed=3)


@pytest.mark.parametrize("config", WAYS)
@pytest.mark.parametrize("encoder", [Means(), Means(1), Means(2, pooled=3)], ids=["4", "1", "pooled"])
@pytest.mark.parametrize("epoch", range(3))
def test_frames_that_say_their_time_say_the_same_on_the_shared_axis(config, encoder, epoch):
    batch = ramps()
    crops = cut_crops(batch.signal, batch.lengths, batch.ids, (1, epoch), config)
    first, second = (encoder(*crops.view(number)) for number in range(2))
    a, b, counts = (x.detach() for x in on_shared_axis(encoder, first, second, crops))
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-3)
    hop = encoder.hop * encoder.pooled
    for times, length in zip(a[:, 0].split(counts.tolist()), batch.lengths.tolist(), strict=True):
        assert len(times) >= 1 and float(times.min()) > 0 and float(times.max()) < length
        torch.testing.assert_close(times.diff(), torch.full_like(times[1:], hop), rtol=1e-4, atol=1e-3)
    # Another frame would fit at neither end.
    ends = [
        crops.start + crops.speed * (hop / 2 + hop * place)
        for place in (0 * crops.lengths, crops.lengths // encoder.hop // encoder.pooled - 1)
    ]
    high = torch.maximum(*ends).amin(1)
    last = torch.stack([times[-1] for times in a[:, 0].split(counts.tolist())])
    assert bool((last + hop > high - 1e-3).all())


def test_padding_is_not_read():
    batch, encoder = ramps(), Means()
    crops = cut_crops(batch.signal, batch.lengths, batch.ids, (1, 0), CropConfig(0.7))
    frames = [encoder(*crops.view(number)) for number in range(2)]
    expected = on_shared_axis(encoder, *frames, crops)
    for of_crop in frames:
        for row, count in enumerate(of_crop.last_lengths.tolist()):
            of_crop.last[row, count:] = torch.nan
    for found, value in zip(on_shared_axis(encoder, *frames, crops), expected, strict=True):
        assert torch.equal(found, value)


def test_distances():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    assert distances(a, torch.stack([a[0], a[0], -a[2]])).tolist() == pytest.approx([0, 2, 4], abs=1e-6)
    half = torch.randn(2, 5, 8).bfloat16()
    assert torch.allclose(distances(half[0], half[1]), distances(half[0].float(), half[1].float()), atol=1e-3)


def make(encoder=None, **options):
    torch.manual_seed(0)
    values = {"projector": [16, 8], "predictor": [16, 8], "changes": [], **options}
    return PGL(encoder or small_resnet(), PGLConfig(**values))


@pytest.mark.parametrize("config", WAYS)
def test_an_encoder_of_single_samples_agrees_with_itself(config):
    """Frames are straight lines of time here, so that nothing is lost between them; the target is still the online network."""
    objective = make(Means(1), batch_norm=False)
    objective.predictor = nn.Identity()
    batch = ramps()
    loss = objective(replace(batch, crops=cut_crops(batch.signal, batch.lengths, batch.ids, (1, 0), config)))
    assert loss.weight == 3 and loss.mean() == pytest.approx(0, abs=1e-5)
    objective.target[1][-1].weight.data.neg_()
    objective.target[1][-1].bias.data.neg_()
    assert objective(
        replace(batch, crops=cut_crops(batch.signal, batch.lengths, batch.ids, (1, 0), config))
    ).mean() == pytest.approx(8)


def test_the_loss_is_the_mean_over_the_times_of_a_window():
    objective, batch = make().eval(), bring(windows(4, lengths=[64, 40, 50, 64]), Needs.CROPS)
    for parameter in objective.target.parameters():
        parameter.data.add_(0.05)
    with torch.no_grad():
        online = [objective.encoder(*batch.crops.view(number)) for number in range(2)]
        targets = [objective.target[0](*batch.crops.view(number)) for number in range(2)]
        a, b, counts = on_shared_axis(objective.encoder, *online, batch.crops)
        c, d, _ = on_shared_axis(objective.encoder, *targets, batch.crops)
        both = distances(objective.predictor(objective.projector(a)), objective.target[1](d))
        both = both + distances(objective.predictor(objective.projector(b)), objective.target[1](c))
    expected = sum(float(part.mean()) for part in both.split(counts.tolist()))
    assert objective(batch).mean() == pytest.approx(expected / 4, rel=1e-5)


def test_the_target_has_no_gradient_and_follows_parameters_and_statistics():
    objective, batch = make(momentum=0.9).train(), bring(windows(), Needs.CROPS)
    before = {name: value.clone() for name, value in objective.target.state_dict().items()}
    objective(batch).total.backward()
    assert all(p.grad is None for p in objective.target.parameters())
    for name, value in objective.target.state_dict().items():
        assert torch.equal(value, before[name]) or "num_batches" in name, "its norms are of the batch, which is not kept"
    objective.after_step(1)
    online = nn.ModuleList([objective.encoder, objective.projector]).state_dict()
    for name, value in objective.target.state_dict().items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * online[name], msg=name)
    assert any(
        "running_mean" in name and not torch.equal(value, before[name]) for name, value in objective.target.state_dict().items()
    )


def test_frames_that_are_all_alike_cost_what_vicreg_says():
    objective = make(Means(), batch_norm=False, variance=2.0, covariance=3.0)
    objective.projector[-1].weight.data.zero_()
    means = objective(bring(windows(4), Needs.CROPS)).means()
    assert means["variance"] == pytest.approx(2 * (1 - 1e-2))
    assert means["covariance"] == pytest.approx(0, abs=1e-20)
    assert set(make(Means())(bring(windows(4), Needs.CROPS)).means()) == {"forth", "back"}


def test_a_window_without_a_frame_does_not_count():
    batch = ramps((64, 3, 64))
    crops = cut_crops(batch.signal, batch.lengths, batch.ids, (1, 0), CropConfig(0.7))
    objective = make(Means(), batch_norm=False)
    assert objective(replace(batch, crops=crops)).weight == 2
    crops.lengths[:] = 3
    none = objective(replace(batch, crops=crops))
    none.total.backward()
    assert none.weight == 0 and float(none.total.detach()) == 0


def test_waveforms_and_graphs_are_encoded_as_well():
    speech = WindowBatch.of(torch.randn(3, 1, 40 * HOP), torch.tensor([40, 30, 20]) * HOP, rate=16000)
    bold = WindowBatch.of(torch.randn(3, 4, 60), torch.tensor([60, 60, 40]), rate=0.5)
    graphs = ConnectivityEncoder(list("abcd"), 2.0, ConnectivityConfig(10, 5, dim=8, num_layers=1))
    for encoder, batch in ((BareEncoder(), speech), (graphs, bold)):
        objective = make(encoder)
        crops = cut_crops(batch.signal, batch.lengths, batch.ids, (0, 0))
        loss = objective(replace(batch, crops=crops))
        loss.total.backward()
        assert loss.weight == 3 and 0 < loss.mean() < 8
        assert any(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())


def test_what_would_move_samples_or_is_missing_is_refused():
    with pytest.raises(ConfigError, match=r"changes that leave samples at their times, .* got 'permute'"):
        make(changes=["noise", "permute"])
    with pytest.raises(ConfigError, match="variance and covariance of at least 0"):
        make(variance=-1.0)
    with pytest.raises(ConfigError, match="PGL needs overlapping crops"):
        make()(windows())

import math

import pytest
import torch
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.objectives.frame_projection import FrameProjection, FrameProjectionConfig, fit_mappers
from audiossl.objectives.window_batch import WindowBatch

SMALL = ResNet1dConfig(width=8, num_blocks=2, dim=16, dropout=0.0)


def make(**options):
    torch.manual_seed(0)
    return FrameProjection(ResNet1d(2, 50.0, SMALL), FrameProjectionConfig(dim=16, **options))


def windows(count=6, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(count, 2, size, generator=generator)
    names = [f"w{i}" for i in range(count)]
    return WindowBatch(signal, torch.full((count,), size), names, names, 50.0)


def slow_pair(first, second, tau):
    """Mean over 2 B rows of -log softmax at the other view's row, by loops (arXiv 2510.22655, eq. 4)."""
    rows = [*functional.normalize(first.detach(), dim=1), *functional.normalize(second.detach(), dim=1)]
    half, terms = len(rows) // 2, []
    for i, row in enumerate(rows):
        scores = {k: float(row @ other) / tau for k, other in enumerate(rows) if k != i}
        partner = (i + half) % len(rows)
        terms.append(-scores[partner] + math.log(sum(math.exp(score) for score in scores.values())))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("views", [["time", "gabor"], ["time", "fourier", "gabor"], ["time", "dct", "haar", "stft"]])
def test_the_loss_is_the_sum_of_all_pairs_and_mappers(views):
    objective, batch = make(views=views, temperature=0.2, map_weight=0.7).eval(), windows()
    loss = objective(batch)
    hidden = objective.represent_views(batch.signal, batch.lengths)
    z = {view: functional.normalize(objective.projectors[view](x), dim=1) for view, x in hidden.items()}
    expected = sum(slow_pair(z[a], z[b], 0.2) for i, a in enumerate(views) for b in views[i + 1 :])
    for view in views[1:]:
        expected += 0.7 * float((objective.mappers[view](z["time"]) - z[view]).detach().abs().sum(1).mean())
    assert loss.mean() == pytest.approx(float(expected), rel=1e-4)
    assert sum(loss.means().values()) == pytest.approx(loss.mean(), rel=1e-5)


def test_pairs_and_weights_can_be_chosen():
    batch = windows()
    both = make(pairs={"time-gabor": 2.0, "fourier-gabor": 0.0}, map_weight=0.0).eval()(batch).means()
    alone = make(pairs={"time-gabor": 1.0}, map_weight=0.0).eval()(batch).means()
    assert both["time-gabor"] == pytest.approx(2 * alone["time-gabor"], rel=1e-5)
    assert both["fourier-gabor"] == 0


def test_partners_are_seen_by_the_frames_and_not_by_the_signal():
    objective, batch, other = make(views=["time", "gabor"]).eval(), windows(), windows(seed=1)
    batch.partner, batch.partner_lengths = other.signal, other.lengths
    hidden = objective.represent_views(batch.signal, batch.lengths)
    z = {"time": objective.projectors["time"](hidden["time"])}
    z["gabor"] = objective.projectors["gabor"](objective.represent_views(other.signal, other.lengths)["gabor"])
    found = objective(batch).means()["time-gabor"]
    assert found == pytest.approx(slow_pair(z["time"], z["gabor"], 0.15), rel=1e-4)


def test_the_order_of_a_batch_does_not_matter():
    objective, batch = make().eval(), windows()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = WindowBatch(batch.signal[order], batch.lengths, batch.ids, batch.subjects, 50.0)
    assert objective(shuffled).mean() == pytest.approx(objective(batch).mean(), rel=1e-5)


def test_training_lowers_the_loss_and_reaches_every_parameter():
    objective, batch = make(), windows(16)
    optimiser = torch.optim.Adam(objective.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss = objective(batch)
        losses.append(loss.mean())
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is not None and bool(p.grad.any()) for p in objective.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": ["time"]}, "at least one other view"),
        ({"views": ["gabor", "fourier"]}, "expected 'time'"),
        ({"views": ["time", "time"]}, "each once"),
        ({"pairs": {"time-dct": 1.0}}, "got 'time-dct'"),
        ({"pairs": {"gabor": 1.0}}, "got 'gabor'"),
        ({"pairs": {"time-gabor": -1.0}}, "weight of at least 0 for the pair 'time-gabor'"),
        ({"views": ["time", "gabro"]}, "no view gabro; choose of time, fourier"),
        ({"loss": "ntxent"}, "no loss 'ntxent'; choose of nt_xent, dcl"),
        ({"options": {"gabro": {"num_scales": 8}}}, "here fourier, gabor; got options of gabro"),
        ({"views": ["time", "fourier"], "options": {"gabor": {}}}, "here fourier; got options of gabor"),
        ({"temperature": 0.0}, "temperature above 0, got 0.0"),
        ({"map_weight": -1.0}, "map_weight of at least 0"),
    ],
)
def test_impossible_views_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        FrameProjectionConfig(**options)


@pytest.mark.parametrize(
    ("view", "options", "message"),
    [
        ("gabor", {"widths": [16, 32, 64]}, "takes four widths of layers"),
        ("fourier", {"widths": []}, "takes at least one width"),
        ("gabor", {"kernel": 4}, "takes an odd kernel"),
        ("fourier", {"bins": 0}, "at least one of bins, got 0"),
        ("stft", {"gain": -1}, "a gain of at least 0, got -1"),
        ("fourier", {"gain": 3}, "option of the view 'fourier' is not known"),
        ("gabor", {"output": "complex"}, "option of the view 'gabor' is not known, set already"),
    ],
)
def test_impossible_options_of_views_are_refused(view, options, message):
    with pytest.raises(ConfigError, match=message):
        make(views=["time", view], options={view: options})


def test_widths_must_agree():
    with pytest.raises(ConfigError, match="the encoder is 16 wide, its views 128"):
        FrameProjection(ResNet1d(2, 50.0, SMALL), FrameProjectionConfig(dim=128))


@pytest.mark.parametrize(("kind", "limit"), [("linear", 0.05), ("mlp", 0.25)])
def test_stage_b_finds_a_linear_map(kind, limit):
    generator = torch.Generator().manual_seed(0)
    time = 5 + 3 * torch.randn(400, 8, generator=generator)
    target = 100 * time @ torch.randn(8, 8, generator=generator)
    mapper = fit_mappers({"time": time, "gabor": target}, kind, seed=1, num_steps=600)["gabor"]
    error = ((mapper(time) - target).abs() / target.std(0)).mean()
    assert float(error) < limit
    assert not any(p.requires_grad for p in mapper.parameters())


def test_random_mappers_are_the_same_for_a_seed_and_leave_the_global_state_alone():
    views = {"time": torch.randn(50, 8), "gabor": torch.randn(50, 8)}
    state = torch.get_rng_state()
    first, second, third = (fit_mappers(views, "random", seed)["gabor"](views["time"]) for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, third)
    assert torch.equal(state, torch.get_rng_state())

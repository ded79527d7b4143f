"""What all objectives on windows have in common, and how one is made of a name and options."""

from dataclasses import replace
from typing import get_type_hints

import pytest
import torch
from torch.nn import functional
from window_examples import fed, reorder, small_dilated_cnn, small_resnet, take_steps, windows

from audiossl.errors import ConfigError
from audiossl.kinds import import_place
from audiossl.objectives.kinds import WINDOW_OBJECTIVES, find_objective, make_window_objective
from audiossl.objectives.momentum_contrast import MomentumContrast
from audiossl.objectives.two_views import TwoViews

SMALL = {
    "byol": {"projector": [16, 8], "predictor": [16, 8], "momentum": 0.9},
    "pgl": {"projector": [16, 8], "predictor": [16, 8], "momentum": 0.9},
    "alice": {"width": 16, "head": [16], "prototypes": 32, "momentum": 0.9, "warmup_steps": 5},
    "vicreg": {"projector": [32, 32]},
    "barlow_twins": {"projector": [32, 32]},
    "nnclr": {"predictor": [16, 128], "queue": 32},
    "pcrl": {"projector": [16, 8], "queue": 16, "momentum": 0.5, "rebuild_weight": 4.0, "augmentations": {"per_view": 0}},
    "cast": {"projector": [16, 8], "queue": 16, "momentum": 0.9},
    "clusters": {"projector": [16, 8], "width": 16, "layers": 1, "heads": 2, "prototypes": 12, "freeze_steps": 3},
}


def make(name, encoder=None, **options):
    torch.manual_seed(0)
    return fed(make_window_objective(name, encoder or small_resnet(), {**SMALL.get(name, {}), **options}))


FAMILY = [name for name in WINDOW_OBJECTIVES if name != "frame_projection"]  # which has a file of its own


@pytest.mark.parametrize("name", FAMILY)
class TestEveryObjective:
    @pytest.mark.parametrize("make_encoder", [small_resnet, small_dilated_cnn])
    def test_training_lowers_the_loss_and_reaches_every_parameter(self, name, make_encoder):
        objective, reached = make(name, make_encoder()), set()
        optimiser = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], 3e-3)
        if isinstance(objective, MomentumContrast):
            objective.train()(windows(16))  # fills the queue, whose first rows are easy negatives
        before = objective.eval()(windows(16)).mean()
        objective.train()
        for step in range(1, 16):
            objective.before_step(step - 1, 0.0)
            loss = objective(windows(16))
            assert loss.weight == 16 and sum(loss.means().values()) == pytest.approx(loss.mean(), rel=1e-4)
            optimiser.zero_grad()
            loss.total.backward()
            reached |= {key for key, p in objective.named_parameters() if p.grad is not None and bool(p.grad.any())}
            optimiser.step()
            if hasattr(objective, "after_step"):
                objective.after_step(step)
        assert objective.eval()(windows(16)).mean() < before - 0.05 * abs(before)
        assert reached == {key for key, p in objective.named_parameters() if p.requires_grad}

    def test_the_order_of_a_batch_does_not_matter(self, name):
        objective, batch = make(name).eval(), windows(6, lengths=[64, 40, 64, 33, 64, 50])
        assert objective(reorder(batch, [3, 0, 5, 1, 4, 2])).mean() == pytest.approx(objective(batch).mean(), rel=1e-4)

    def test_padding_does_not_matter(self, name):
        objective, batch = make(name).eval(), windows(6, lengths=[64, 40, 64, 33, 64, 50])
        wider = replace(batch, signal=functional.pad(batch.signal, (0, 32)))
        assert objective(wider).mean() == pytest.approx(objective(batch).mean(), rel=1e-4)

    def test_a_batch_gives_the_same_twice_and_another_epoch_does_not(self, name):
        objective, batch = make(name).eval(), windows(6)
        assert objective(batch).mean() == objective(batch).mean()
        assert objective(replace(batch, epoch=2)).mean() != objective(batch).mean()
        assert objective(replace(batch, seed=4)).mean() != objective(batch).mean()

    def test_two_windows_are_enough(self, name):
        loss = make(name)(windows(2))
        loss.total.backward()
        assert bool(loss.total.isfinite())

    def test_bfloat16_is_close(self, name):
        objective, batch = make(name).eval(), windows(6)
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective(batch)
        assert loss.total.dtype == torch.float32
        assert loss.mean() == pytest.approx(objective(batch).mean(), rel=0.05, abs=0.05)

    def test_unknown_options_are_refused(self, name):
        with pytest.raises(ConfigError, match=rf"{name}\.(tau|heads): expected one of the keys "):
            make(name, tau=0.1, heads=3)

    def test_a_checkpoint_restores_the_loss(self, name):
        objective, batch = make(name), windows(6)
        objective(batch)
        torch.manual_seed(9)
        other = fed(make_window_objective(name, small_resnet(dim=16), SMALL.get(name, {})))
        other.load_state_dict(objective.state_dict())
        assert other.eval()(batch).mean() == objective.eval()(batch).mean()

    def test_training_resumes_from_its_state_as_if_never_interrupted(self, name):
        whole, half = make(name), make(name)
        expected = take_steps(whole, 0, 4)[2:]
        take_steps(half, 0, 2)
        resumed = make(name)
        resumed.load_state_dict(half.state_dict())
        assert take_steps(resumed, 2, 4) == expected
        assert all(torch.equal(value, whole.state_dict()[key]) for key, value in resumed.state_dict().items())

    def test_the_config_is_the_one_that_the_objective_takes(self, name):
        found = find_objective(name, WINDOW_OBJECTIVES)
        assert get_type_hints(found.__init__)["config"] == found.Config | None


TWO_VIEWS = [name for name in FAMILY if issubclass(import_place(WINDOW_OBJECTIVES[name].place, "objective"), TwoViews)]


@pytest.mark.parametrize("name", TWO_VIEWS)
def test_the_second_view_is_that_of_the_partner(name):
    options = {"augmentations": {"per_view": 0}}
    objective, batch, other = make(name, **options).eval(), windows(6), windows(6, seed=1, lengths=[50] * 6)
    paired = replace(batch, partner=other.signal, partner_lengths=other.lengths, bags=batch.subjects)
    batch = replace(paired, partner=batch.signal, partner_lengths=batch.lengths)
    (first, _), (second, lengths) = objective.views(paired)
    assert torch.equal(first, batch.signal) and torch.equal(second, other.signal) and torch.equal(lengths, other.lengths)
    loss = type(objective).forward  # whatever `fed` would bring in place of the partner
    assert loss(objective, paired).mean() != loss(objective, batch).mean()


def test_names_and_nested_options_are_checked():
    with pytest.raises(ConfigError, match="there is no objective 'moco'; choose one of frame_projection, simclr"):
        make("moco")
    with pytest.raises(ConfigError, match=r"simclr\.augmentations\.strength: expected one of the keys kinds"):
        make("simclr", augmentations={"strength": 2})
    assert make("simclr", augmentations={"noise": 0.1}).config.augmentations.noise == 0.1
    assert make("dclw").options.weighted and not make("dcl").options.weighted


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("simclr", {"temperature": 0}, "simclr: expected temperature above 0, got 0.0"),
        ("dclw", {"sigma": 0}, "dclw: expected sigma above 0"),
        ("simclr", {"projector": [128, 0]}, "projector to be widths"),
        ("byol", {"predictor": [512, 64]}, "byol: expected the predictor to end as wide as the projector, which is 8"),
        ("byol", {"momentum": 1.5}, "momentum of 0 to 1"),
        ("nnclr", {"predictor": [512, 64]}, "nnclr: expected the predictor to end as wide as the projector, which is 128"),
        ("nnclr", {"projector": []}, "projector to be widths of at least 1 layers"),
        ("nnclr", {"queue": 0}, "queue above 0"),
        ("nnclr", {"queue": 2.5}, r"nnclr\.queue: expected a whole number, got 2\.5"),
        ("ts_tcc", {"temperature": 0}, "temperature above 0"),
        ("vicreg", {"batch_norm": "perhaps"}, r"vicreg\.batch_norm: expected true or false, got 'perhaps'"),
        ("barlow_twins", {"redundancy": "a"}, r"barlow_twins\.redundancy: expected a number, got 'a'"),
        ("simclr", {"augmentations": {"max_stretch": 0.6}}, "max_stretch of 0 to 0.5"),
        ("simclr", {"augmentations": {"max_segments": 1}}, "max_segments of at least 2"),
        ("simclr", {"augmentations": "imu"}, r"simclr\.augmentations: expected a mapping of kinds"),
    ],
)
def test_impossible_options_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        make(name, **options)


def test_simclr_is_nt_xent_of_the_projected_means():
    """One row of sixteen, by hand."""
    objective, batch = make("simclr", temperature=0.25).eval(), windows(8)
    (first, _), (second, _) = objective.views(batch)
    z = [
        functional.normalize(objective.projector(objective.encoder(x, batch.lengths).last.mean(1)), dim=1)
        for x in (first, second)
    ]
    rows = torch.cat(z).detach()
    choices = (rows @ rows.T / 0.25).fill_diagonal_(-torch.inf).log_softmax(1)
    expected = -sum(float(choices[i, (i + 8) % 16]) for i in range(16)) / 16
    assert objective(batch).mean() == pytest.approx(expected, rel=1e-4)

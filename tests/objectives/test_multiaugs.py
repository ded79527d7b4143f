import pytest
from semi_examples import batch, make

from audiossl.errors import ConfigError


def test_paths_are_summed_and_not_averaged():
    example = batch()
    one, two = make("multiaugs", paths=1)(example), make("multiaugs", paths=2)(example)
    paths = two.means()
    assert one.means()["path_0"] == paths["path_0"]
    assert two.mean() - one.mean() == pytest.approx(paths["path_1"], rel=1e-4)
    p, q = (
        make("multiaugs").head(view.signal[:, :, 0]).softmax(1)
        for view in (example.unlabelled.strong[1], example.unlabelled.weak)
    )
    assert paths["path_1"] == pytest.approx(float(0.5 * (p - q).square().sum(1).mean()), rel=1e-5)


def test_limits():
    assert make("multiaugs")(batch(same=True)).means()["path_0"] == 0
    example = batch()
    assert make("multiaugs", threshold=1.01)(example).mean() == make("supervised")(example).mean()
    with pytest.raises(ConfigError, match=r"raise pairs\.strong"):
        make("multiaugs", paths=3)(example)


def test_the_target_has_no_gradient():
    objective, example = make("multiaugs"), batch()
    example.unlabelled.weak.signal.requires_grad_()
    objective(example).total.backward()
    assert example.unlabelled.weak.signal.grad is None

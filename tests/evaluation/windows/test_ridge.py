import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge

from audiossl.evaluation.windows.ridge import fit_ridge_path


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("count", "width"), [(60, 8), (12, 30)])
def test_equal_to_scikit_learn_on_standardised_features(count, width, given):
    x = 3 * torch.randn(count, width) + 5
    y = torch.randn(count, 2)
    deviation = torch.rand(width) + 0.5
    z = (x - x.mean(0)) / (deviation if given else x.std(0, correction=0))
    for fit in fit_ridge_path(x, y, (1e-2, 1.0), deviation=deviation if given else None):
        expected = SklearnRidge(alpha=fit.strength * count, solver="svd").fit(z.numpy(), y.numpy())
        torch.testing.assert_close(fit.predict(x), torch.from_numpy(expected.predict(z.numpy())), rtol=1e-3, atol=1e-4)


def test_features_that_are_divided_by_ones_keep_their_scales():
    """Scaling a feature up lets it speak louder where scales are kept, and changes nothing where columns are standardised."""
    x, y = torch.randn(40, 6), torch.randn(40, 1)
    centred = SklearnRidge(alpha=0.5 * 40, solver="svd").fit((x - x.mean(0)).numpy(), y.numpy())
    (kept,) = fit_ridge_path(x, y, [0.5], deviation=torch.ones(6))
    expected = torch.from_numpy(centred.predict((x - x.mean(0)).numpy())).reshape(40, 1)
    torch.testing.assert_close(kept.predict(x), expected, rtol=1e-3, atol=1e-4)
    louder = x * torch.tensor([100.0, 1, 1, 1, 1, 1])
    (standard,), (other,) = fit_ridge_path(x, y, [0.5]), fit_ridge_path(louder, y, [0.5])
    torch.testing.assert_close(other.predict(louder), standard.predict(x), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(
        fit_ridge_path(louder, y, [0.5], deviation=torch.ones(6))[0].predict(louder), kept.predict(x), atol=1e-2
    )

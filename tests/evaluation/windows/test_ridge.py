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

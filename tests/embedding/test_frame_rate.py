import pytest

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.frame_rate import require_declared_rate
from audiossl.errors import DataError


@pytest.mark.parametrize("layers", ["last", "all", [1]])
def test_what_an_encoder_loses_at_the_ends_is_no_fault(make_toy, layers):
    require_declared_rate(Embedder(make_toy()), layers)


def test_rates_that_are_wrong(make_toy):
    for factor in (0.98, 1.02, 1.25):
        liar = make_toy()
        liar.frame_rate *= factor
        with pytest.raises(DataError, match=rf"declares {liar.frame_rate:g} frames per second, so 100 frames more .*, and gave"):
            require_declared_rate(Embedder(liar), "all")
        require_declared_rate(Embedder(liar), "last")  # whose rate is declared by itself

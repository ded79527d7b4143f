import math

import pytest
from semi_examples import batch, fixed_logits, make


def test_limits():
    example = batch()
    assert make("pseudo_label", threshold=1.01)(example).mean() == make("supervised")(example).mean()
    sure = fixed_logits(make("pseudo_label", threshold=0.9), [math.log(8.0), -math.log(2.0), -math.log(2.0)])
    probability = 8 / 9
    assert sure(example).means()["pseudo"] == 0  # 8 / 9 is below 0.9
    sure.config.threshold = 0.88
    assert sure(example).means()["pseudo"] == pytest.approx(-math.log(probability), rel=1e-5)

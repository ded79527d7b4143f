import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.models.mappers import make_mapper


def test_the_published_mapper_has_449_parameters_and_sees_few_neighbours():
    mapper = make_mapper("conv", 128)
    assert sum(p.numel() for p in mapper.parameters()) == 449
    x = torch.randn(1, 128, requires_grad=True)
    sees = [int(torch.autograd.grad(mapper(x)[0, i], x)[0].count_nonzero()) for i in range(20, 30)]
    assert max(sees) <= 5


@pytest.mark.parametrize(("kind", "trainable"), [("conv", True), ("linear", True), ("mlp", True), ("random", False)])
def test_vectors_keep_their_width(kind, trainable):
    mapper = make_mapper(kind, 32)
    assert mapper(torch.randn(3, 32)).shape == (3, 32)
    assert all(p.requires_grad == trainable for p in mapper.parameters())


def test_impossible_mappers_are_refused():
    with pytest.raises(ConfigError, match="there is no mapper 'cubic'"):
        make_mapper("cubic", 32)
    with pytest.raises(ConfigError, match="an even width"):
        make_mapper("conv", 33)

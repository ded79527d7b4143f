from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """The problems of these tests are small: one thread is faster, and much faster on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def blobs():
    """Gaussian classes (x, y): `spread` apart, in `dim` dimensions."""

    def make(size, num_classes=4, dim=8, spread=1.0, seed=0):
        generator = torch.Generator().manual_seed(seed)
        centres = torch.randn(num_classes, dim, generator=torch.Generator().manual_seed(99)) * spread
        y = torch.randint(0, num_classes, (size,), generator=generator)
        return centres[y] + torch.randn(size, dim, generator=generator), y

    return make

from __future__ import annotations

import pytest
import torch

from audiossl.exporters.onnx_connectivity import ConnectivityForm
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder


@pytest.mark.parametrize("sign", ["signed", "absolute", "negative"])
@pytest.mark.parametrize("readout", ["mean", "sero", "garo"])
def test_windows_of_a_batch_at_once_are_those_of_the_encoder(sign, readout):
    config = ConnectivityConfig(10, 5, dim=8, num_layers=2, sign=sign, readout=readout, rows=True)
    encoder = ConnectivityEncoder([f"region {i}" for i in range(9)], 2.0, config).eval()
    signal = torch.randn(3, 9, 47).cumsum(2)
    signal[0, :, 12:19] = torch.nan  # censored: of two windows less than half is left
    signal[1, 4] = 1.0  # a constant region
    lengths = torch.tensor([47, 31, 10])
    with torch.no_grad(), pytest.warns(UserWarning, match="constant"):
        expected, found = encoder(signal, lengths), ConnectivityForm(encoder)(signal, lengths)
    assert found.lengths.equal(expected.lengths) and found.lengths.tolist() == [8, 5, 1]
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_all_pairs_are_joined_where_the_density_asks_for_them():
    encoder = ConnectivityEncoder(["a", "b", "c"], 2.0, ConnectivityConfig(10, 5, 0.99, dim=8, num_layers=1)).eval()
    signal, lengths = torch.randn(1, 3, 20), torch.tensor([20])
    torch.testing.assert_close(ConnectivityForm(encoder)(signal, lengths).last, encoder(signal, lengths).last)

"""The graph encoder of BOLD runs: against torch-geometric, alone and in a batch, its size, saved and loaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import audiossl
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.features.connectivity import adjacency, correlation
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.encoder import Encoder
from audiossl.models.gin import GINLayer
from audiossl.models.graph_readout import make_readout
from audiossl.models.temporal_transformer import TemporalTransformer

REGIONS = [f"r{i}" for i in range(9)]
SMALL = ConnectivityConfig(window=20, stride=7, dim=16, num_layers=2)


def encoder(**changes) -> ConnectivityEncoder:
    torch.manual_seed(0)
    return ConnectivityEncoder(REGIONS, 0.8, ConnectivityConfig(**{**vars(SMALL), **changes}))


def runs(count: int = 3, volumes: int = 90) -> torch.Tensor:
    return 40 * torch.randn(count, 9, volumes, generator=torch.Generator().manual_seed(1)).cumsum(2) + 1000


def test_a_dense_layer_is_torch_geometrics():
    geometric = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    layer = GINLayer(8)
    layer.eps.data.fill_(0.3)
    theirs = geometric.GINConv(layer.mlp, train_eps=True)
    theirs.eps.data.fill_(0.3)
    graphs = adjacency(correlation(torch.randn(4, 11, 30)))
    nodes = torch.randn(4, 11, 8)
    window, source, target = graphs.nonzero().unbind(1)
    edges = torch.stack([window * 11 + source, window * 11 + target])
    expected = theirs(nodes.flatten(0, 1), edges)  # one block-diagonal graph: its batch norms see all nodes, as ours do
    torch.testing.assert_close(layer(nodes, graphs.float()).flatten(0, 1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("readout", ["mean", "sero", "garo"])
@pytest.mark.parametrize("rows", [False, True])
def test_a_run_gives_the_same_frames_alone_and_in_a_batch(readout, rows):
    model = encoder(readout=readout, rows=rows)
    lengths = torch.tensor([90, 33, 60])
    batch = runs()
    for number, length in enumerate(lengths):
        batch[number, :, length:] = 1e6 * number  # padding may hold anything
    model.train()
    model(batch, lengths)  # so that the kept statistics are not those of a new layer
    model.eval()
    together = model(batch, lengths)
    assert together.lengths.tolist() == [11, 2, 6] and isinstance(model, Encoder)
    for number, length in enumerate(lengths.tolist()):
        alone = model(batch[number : number + 1, :, :length], lengths[number : number + 1])
        size = int(together.lengths[number])
        for whole, part in zip(together.layers, alone.layers, strict=True):
            torch.testing.assert_close(whole[number, :size], part[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(together.regions[number, :size], alone.regions[0], rtol=1e-5, atol=1e-5)


def test_statistics_in_training_leave_padding_out():
    lengths = torch.tensor([90, 33, 60])
    models = [encoder(), encoder()]
    plain = runs()
    wild = plain.clone()
    for number, length in enumerate(lengths):
        wild[number, :, length:] = 7e5
    for model, batch in zip(models, (plain, wild), strict=True):
        model.train()(batch, lengths)
    for name, value in models[0].state_dict().items():
        torch.testing.assert_close(value, models[1].state_dict()[name], rtol=1e-5, atol=1e-6)


def test_units_of_the_scanner_do_not_matter_and_a_constant_region_is_harmless():
    model, batch, lengths = encoder().eval(), runs(), torch.full((3,), 90)
    torch.testing.assert_close(model(batch, lengths).last, model(batch * 3 - 70, lengths).last, rtol=1e-3, atol=1e-4)
    batch[:, 4] = 12.0
    with pytest.warns(UserWarning, match="constant or have missing values"):
        assert torch.isfinite(model(batch, lengths).last).all()


def test_hidden_regions_send_and_receive_nothing():
    """What a region holds changes nothing for others once it is hidden, not even through rows of correlations."""
    model, lengths = encoder(rows=True).eval(), torch.full((3,), 90)
    windows = model.windows(runs(), lengths)
    hidden = torch.zeros(len(windows.graphs), 9, dtype=torch.bool)
    hidden[:, 3] = True
    before = model.nodes(windows, hidden, torch.zeros(16))[-1]
    other = replace(windows, correlation=windows.correlation.clone(), graphs=windows.graphs.clone())
    other.correlation[:, 3] = other.correlation[:, :, 3] = 0.77
    other.graphs[:, 3] = other.graphs[:, :, 3] = 1.0
    after = model.nodes(other, hidden, torch.zeros(16))[-1]
    assert torch.equal(before, after)
    assert not torch.equal(before, model.nodes(windows)[-1])


def test_without_names_regions_are_known_by_their_connections_alone():
    model, lengths = encoder(rows=True, names=False).eval(), torch.full((3,), 90)
    windows = model.windows(runs(), lengths)
    assert model.entry.in_features == 16 and not torch.equal(model.enter(windows)[:, 0], model.enter(windows)[:, 1])
    entered = model.enter(windows, hidden=torch.ones(len(windows.graphs), 9, dtype=torch.bool))
    assert torch.equal(entered, entered[:, :1].expand_as(entered))
    with pytest.raises(ConfigError, match="all nodes of a window are alike"):
        ConnectivityConfig(names=False)


def test_the_number_of_weights_is_that_of_the_specification():
    def size(module: torch.nn.Module) -> int:
        return sum(value.numel() for value in module.parameters())

    model = ConnectivityEncoder([str(i) for i in range(400)], 0.72, ConnectivityConfig(readout="sero"))
    assert (size(model.clock), size(model.entry), size(model.layers), size(model.readouts)) == (203_520, 67_712, 134_148, 273_472)
    assert 4 * size(TemporalTransformer(128)) == 529_920


def test_attention_over_windows_leaves_padding_out():
    torch.manual_seed(0)
    pool = TemporalTransformer(16, time_pool="mean").eval()
    windows = torch.randn(2, 5, 16)
    valid = torch.tensor([[True] * 5, [True, True, True, False, False]])
    torch.testing.assert_close(pool(windows, valid)[1:], pool(windows[1:, :3], valid[1:, :3]))


def test_it_is_saved_and_loaded_by_name_and_another_atlas_is_refused(tmp_path):
    model = encoder().eval()
    model.save(tmp_path / "encoder")
    embedder = audiossl.load(tmp_path / "encoder")
    run = runs(1, 300)[0]
    found = embedder.embed(run.numpy())
    expected = model(run[None], torch.tensor([300]))
    torch.testing.assert_close(found.frames, expected.last[0])
    assert np.allclose(found.times.numpy(), (np.arange(41) * 7 + 10) * 0.8)
    assert ConnectivityEncoder.load(tmp_path / "encoder", REGIONS).regions == tuple(REGIONS)
    with pytest.raises(DataError, match="9 regions r0"):
        ConnectivityEncoder.load(tmp_path / "encoder", REGIONS[1:])
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(StoreError, match="no connectivity encoder"):
        ConnectivityEncoder.load(tmp_path / "encoder")


def test_mistakes_are_named():
    model = encoder()
    with pytest.raises(DataError, match="9 regions r0"):
        model(runs()[:, :8], torch.full((3,), 90))
    with pytest.raises(DataError, match="at least 20 volumes, one window, got 19"):
        model(runs(), torch.tensor([90, 19, 50]))
    with pytest.raises(ConfigError, match="read-out"):
        make_readout("max", 9, 16)


def test_censored_volumes_count_for_nothing():
    """Windows are correlated over kept volumes; one without enough of them has the frame of the nearest that has."""
    model = encoder(rows=True).eval()
    whole = runs(2)
    censored = whole.clone()
    gap = torch.arange(90).apply_(lambda volume: 38 <= volume < 64) > 0
    censored[1, :, gap] = torch.nan
    lengths = torch.tensor([90, 90])
    windows = model.windows(censored, lengths)
    kept = 20 - gap.unfold(0, 20, 7).sum(1)
    assert windows.valid.tolist() == [[True] * 11, (kept >= 10).tolist()] and windows.counts.tolist() == [11, 11]
    first = int(windows.valid[0].sum())
    for number, place in enumerate(windows.valid[1].nonzero()[:, 0].tolist()):
        volumes = [volume for volume in range(7 * place, 7 * place + 20) if not gap[volume]]
        expected = np.corrcoef(whole[1, :, volumes].numpy())
        np.testing.assert_allclose(windows.correlation[first + number], expected, atol=2e-5)
    frames = model(censored, lengths)
    torch.testing.assert_close(frames.layers[-1][0], model(whole[:1], lengths[:1]).layers[-1][0], rtol=1e-5, atol=1e-5)
    places = windows.valid[1].nonzero()[:, 0]
    for place in range(11):
        nearest = int(places[(places - place).abs().argmin()])
        torch.testing.assert_close(frames.layers[-1][1, place], frames.layers[-1][1, nearest])
    censored[1] = torch.nan
    with pytest.raises(DataError, match="half are not censored"):
        model(censored, lengths)

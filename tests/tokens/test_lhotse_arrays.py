"""Tokens as lhotse arrays: loading by cut, after truncation, from a manifest, and refusal of cuts without tokens."""

from __future__ import annotations

import pytest
import torch
from lhotse import CutSet, MonoCut, Recording

from audiossl.errors import DataError, StoreError
from audiossl.tokens import TokenStore, TokenWriter
from audiossl.tokens.lhotse_arrays import attach_tokens, token_array

ABOUT = {"quantiser_id": "0123abcd", "codebook_size": 256, "frame_rate": 50.0}
STARTS = {"a": 0.0, "b": 3.0, "c": 7.3}  # seconds in a recording of 10 s; every cut lasts 2 s


def make_cuts(names="abc") -> CutSet:
    recording = Recording("r", [], sampling_rate=16000, num_samples=160000, duration=10.0)
    return CutSet.from_cuts([MonoCut(name, STARTS[name], 2.0, 0, recording=recording, custom={"x": 1}) for name in names])


@pytest.fixture
def codes() -> dict[str, torch.Tensor]:
    return {name: torch.randint(256, (100, 2), dtype=torch.uint8) for name in STARTS}


@pytest.fixture
def store(tmp_path, codes) -> TokenStore:
    with TokenWriter(tmp_path / "tokens", **ABOUT, num_codebooks=2, shard_frames=150) as writer:
        for name, own in codes.items():
            writer.add(name, own)
    return TokenStore.open(tmp_path / "tokens")


def test_a_cut_loads_its_tokens(store, codes):
    cuts = make_cuts()
    attached = attach_tokens(cuts, store)
    assert [cut.id for cut in attached] == list("abc")
    for cut in attached:
        tokens = cut.load_tokens()
        assert tokens.dtype.name == "uint8" and tokens.tolist() == codes[cut.id].tolist()
        assert cut.tokens.duration == pytest.approx(cut.duration) and cut.tokens.start == cut.start
    assert not any(cut.has_custom("tokens") for cut in cuts)  # what came in is as it was
    assert attach_tokens(cuts, store, "codes")["b"].load_codes().shape == (100, 2)


@pytest.mark.parametrize("offset", [0.0, 0.02, 0.5, 1.3, 1.98])
@pytest.mark.parametrize("duration", [0.02, 0.5, 0.58, None])
def test_a_truncated_cut_loads_its_span(store, codes, offset, duration):
    for cut in attach_tokens(make_cuts(), store):
        piece = cut.truncate(offset=offset, duration=duration)
        first = round(offset * 50)
        last = min(100, first + (100 if duration is None else round(duration * 50)))
        assert piece.load_tokens().tolist() == codes[cut.id][first:last].tolist()


def test_a_piece_of_a_piece_and_windows(store, codes):
    attached = attach_tokens(make_cuts(), store)
    piece = attached["c"].truncate(offset=0.4, duration=1.2).truncate(offset=0.2, duration=0.6)
    assert piece.load_tokens().tolist() == codes["c"][30:60].tolist()
    windows = list(attached.cut_into_windows(0.5))
    assert len(windows) == 12
    assert [row for window in windows[4:8] for row in window.load_tokens().tolist()] == codes["b"].tolist()


def test_tokens_shorter_than_their_cut_end_early(tmp_path):
    with TokenWriter(tmp_path / "t", **ABOUT, num_codebooks=1) as writer:
        writer.add("b", torch.arange(97)[:, None])  # an encoder that loses frames at the edge
    cut = attach_tokens(make_cuts("b"), TokenStore.open(tmp_path / "t"))["b"]
    assert cut.load_tokens().shape == (97, 1)
    assert cut.truncate(offset=1.9).load_tokens()[:, 0].tolist() == [95, 96]


def test_a_manifest_keeps_the_tokens(store, codes, tmp_path):
    attach_tokens(make_cuts(), store).to_file(tmp_path / "cuts.jsonl")
    cut = CutSet.from_file(tmp_path / "cuts.jsonl").to_eager()["b"]
    assert cut.x == 1 and cut.truncate(offset=1.0).load_tokens().tolist() == codes["b"][50:].tolist()


def test_cuts_without_tokens_are_named_and_counted(tmp_path, store):
    with TokenWriter(tmp_path / "few", **ABOUT, num_codebooks=2) as writer:
        writer.add("b", torch.zeros(100, 2, dtype=torch.uint8))
    with pytest.raises(DataError, match=r"2 of 3 cuts have no tokens in .*few, such as 'a', 'c'"):
        attach_tokens(make_cuts(), TokenStore.open(tmp_path / "few"))
    with pytest.raises(DataError, match="3 MixedCut"):
        attach_tokens(make_cuts().pad(duration=3.0), store)


def test_a_single_array_is_described(store):
    array = token_array(store, "a")
    assert (array.shape, array.start, array.frame_shift) == ([100, 2], 0.0, 0.02)
    with pytest.raises(StoreError, match="nobody"):
        token_array(store, "nobody")


def test_the_store_is_opened_once_until_it_is_written_again(store, tmp_path, codes, monkeypatch):
    opened = []
    really = TokenStore.open

    def count(folder):
        opened.append(folder)
        return really(folder)

    monkeypatch.setattr(TokenStore, "open", count)
    cut = attach_tokens(make_cuts("a"), store)["a"]
    for _ in range(3):
        cut.load_tokens()
    assert len(opened) == 1
    with TokenWriter(tmp_path / "tokens", **ABOUT, num_codebooks=2) as writer:
        writer.add("a", codes["b"])
    assert cut.load_tokens().tolist() == codes["b"].tolist() and len(opened) == 2
    (tmp_path / "tokens" / "store.json").unlink()
    with pytest.raises(StoreError, match=r"store\.json"):
        cut.load_tokens()

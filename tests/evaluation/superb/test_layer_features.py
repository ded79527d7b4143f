import numpy as np
import pytest
import soundfile
import torch
from superb_toy_tasks import Bands

from audiossl.embedding.embedder import Embedder
from audiossl.errors import DataError, StoreError
from audiossl.evaluation.superb.layer_features import LayerFeatures
from audiossl.evaluation.superb.tables import Clip


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for name, size in (("x", 1600), ("y", 1601), ("z", 4000)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(size), 16000)
        found.append(Clip(name, tmp_path / f"{name}.wav"))
    return found


def test_frames_are_counted_as_s3prl_does(clips, tmp_path):
    features = LayerFeatures(Embedder(Bands()), tmp_path / "store")
    features.make(clips)
    assert [features.num_frames(clip) for clip in clips] == [10, 11, 25]
    whole = features[clips[1]]
    assert whole.dtype == np.float16 and whole.shape == (2, 11, 8)
    assert (whole[:, 10] == whole[:, 9]).all()  # the last frame is repeated
    layers, lengths = features.batch(clips, [(0, 10), (2, 5), (0, 25)])
    assert layers.shape == (2, 3, 25, 8) and lengths.tolist() == [10, 3, 25]
    torch.testing.assert_close(layers[:, 1, :3], torch.from_numpy(whole[:, 2:5].astype(np.float32)))
    assert not layers[:, 1, 3:].any()


def test_only_what_lacks_is_embedded(clips, tmp_path, monkeypatch):
    embedder = Embedder(Bands())
    LayerFeatures(embedder, tmp_path / "store").make(clips[:2])
    seen = []
    real = Embedder.embed
    monkeypatch.setattr(
        Embedder, "embed", lambda self, signals, **kwargs: seen.append(len(signals)) or real(self, signals, **kwargs)
    )
    again = LayerFeatures(embedder, tmp_path / "store")
    again.make(clips)
    assert seen == [1]
    with pytest.raises(StoreError, match="was made otherwise"):
        LayerFeatures(Embedder(Bands(50.0)), tmp_path / "store").make(clips)


def test_parts_and_gain(clips, tmp_path):
    features = LayerFeatures(Embedder(Bands()), tmp_path / "store")
    part = Clip("part", clips[2].path, start=0.1, end=0.2)
    quiet = LayerFeatures(Embedder(Bands()), tmp_path / "quiet", gain_db=-3.0)
    for store in (features, quiet):
        store.make([clips[2], part])
    assert features.num_frames(part) == 10
    np.testing.assert_array_equal(features[part], features[clips[2]][:, 10:20])
    loud, soft = (np.expm1(store[clips[2]][0].astype(float)) for store in (features, quiet))
    np.testing.assert_allclose(soft.sum() / loud.sum(), 10 ** (-3 / 20), rtol=1e-3)


def test_clips_that_cannot_be_used(clips, tmp_path):
    features = LayerFeatures(Embedder(Bands()), tmp_path / "store")
    with pytest.raises(DataError, match=r"gone\.wav is missing: the table of 'gone'"):
        features.make([Clip("gone", tmp_path / "gone.wav")])
    with pytest.raises(DataError, match=r"x\.wav: 80 samples are less than a frame"):
        features.make([Clip("short", clips[0].path, end=0.005)])

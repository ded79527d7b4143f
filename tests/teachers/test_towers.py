"""Audio towers of `transformers`: every type on a tiny random checkpoint, alone and in padded batches; nothing is downloaded."""

from __future__ import annotations

import json

import pytest
import torch

import audiossl
from audiossl.errors import ConfigError, DataError
from audiossl.models.encoder import Encoder
from audiossl.teachers.tower_encoder import TowerEncoder
from audiossl.teachers.tower_loading import is_tower, load_tower, tower_titles
from audiossl.teachers.towers import LARGER, TOWERS

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
towers = pytest.importorskip("tiny_towers")
pytestmark = [  # of transformers' own code
    pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
]


def make(kind: str, last_layer: int | None = None) -> TowerEncoder:
    tower = towers.make_tower(kind)
    return TowerEncoder(tower, TOWERS[kind], towers.make_extractor(kind, tower.config), last_layer)


def clips(encoder: TowerEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """A long, a middle and the shortest clip; padding holds noise."""
    rate = int(encoder.sample_rate)
    sizes = [int(1.345 * rate), int(0.8 * rate), encoder.min_samples]
    sizes = [min(max(size, encoder.min_samples), encoder.max_samples or size) for size in sizes]
    return 0.1 * torch.randn(3, 1, max(sizes)), torch.tensor(sizes)


@pytest.mark.parametrize("kind", TOWERS)
def test_a_clip_alone_is_as_in_a_batch_and_has_the_frames_of_its_rate(kind):
    encoder = make(kind)
    assert isinstance(encoder, Encoder)
    signal, lengths = clips(encoder)
    together = encoder(signal, lengths)
    assert len(together.layers) == encoder.num_layers and together.layers[0].shape[2] == encoder.dim
    for i, length in enumerate(lengths.tolist()):
        alone = encoder(signal[i : i + 1, :, :length], lengths[i : i + 1])
        for one, other in zip(alone.layers, together.layers, strict=True):
            assert torch.equal(one[0], other[i, : one.shape[1]])
        assert torch.equal(alone.last[0], together.last[i, : alone.last.shape[1]])
        assert int(alone.lengths[0]) == int(together.lengths[i]) >= 1 <= int(together.last_lengths[i])
    longer = torch.stack([together.lengths[:1] - together.lengths[2:], together.last_lengths[:1] - together.last_lengths[2:]])
    rates = torch.tensor([[encoder.frame_rate], [encoder.last_frame_rate]])
    assert ((longer - rates * (lengths[0] - lengths[2]) / encoder.sample_rate).abs() <= 1.5).all(), "frames at another rate"


@pytest.mark.parametrize("kind", [kind for kind, row in TOWERS.items() if row.blocks])
def test_layers_are_the_hidden_states_and_none_above_the_last_one_is_computed(kind):
    encoder, cut = make(kind), make(kind, 1)
    signal, lengths = clips(encoder)
    layers = encoder(signal, lengths).layers
    frames = cut(signal, lengths)
    assert len(frames.layers) == 2 and torch.equal(frames.last, frames.layers[1])
    assert all(torch.equal(one, other) for one, other in zip(frames.layers, layers[:2], strict=True))
    assert len(cut.model.get_submodule(TOWERS[kind].blocks)) == 1
    with pytest.raises(ConfigError, match=f"layers 0 to {encoder.num_layers - 1}; layer 9 was asked for"):
        make(kind, 9)


@pytest.mark.parametrize("kind", ["wav2vec2-bert", "parakeet_encoder", "moonshine"])
def test_layers_are_what_the_model_itself_says(kind):
    encoder = make(kind)
    signal, _ = clips(encoder)
    tower = towers.make_tower(kind)
    extractor = towers.make_extractor(kind, tower.config)
    with torch.no_grad():
        given = extractor(signal[0, 0].numpy(), sampling_rate=16000, return_tensors="pt")
        output = tower(**given, output_hidden_states=True)
    found = encoder(signal[:1], torch.tensor([signal.shape[2]]))
    for layer, theirs in zip(found.layers, output.hidden_states[: encoder.num_layers - 1], strict=False):
        assert torch.equal(layer, theirs)
    assert torch.equal(found.last, output.last_hidden_state)


@pytest.mark.parametrize("kind", [kind for kind in TOWERS if kind not in ("clap_audio_model", "xcodec")])
def test_where_frame_0_lies(kind):
    """What is changed at one place changes the frames around it most: the offset is right to a frame or so.

    Of models that attend to everything at once, which all are but the codecs, the input of the first block is looked at. X-Codec
    shows no such input, and CLAP gives one vector for 10 s.
    """
    encoder = make(kind)
    rate, size = encoder.sample_rate, int(1.2 * encoder.sample_rate)
    quiet = 0.01 * torch.randn(1, 1, size)
    loud = quiet.clone()
    at = int(0.6 * rate)
    loud[:, :, at : at + int(0.02 * rate)] += torch.randn(1, 1, int(0.02 * rate))
    lengths = torch.tensor([size])
    one, other = encoder(quiet, lengths).layers[0], encoder(loud, lengths).layers[0]
    change = (one - other).norm(dim=2)[0]
    change = (change - change.median()).clamp(min=0)
    found = float((change * torch.arange(len(change))).sum() / change.sum()) / encoder.frame_rate + encoder.frame_offset
    assert abs(found - 0.61) < 1.5 / encoder.frame_rate + 0.03, f"the click at 0.61 s is found at {found:.3f} s"


@pytest.mark.parametrize("kind", LARGER)
def test_of_a_larger_model_the_tower_is_read(kind, tmp_path):
    folder = towers.save_larger(tmp_path / "larger", kind)
    encoder = audiossl.load(f"hf:{folder}").encoder
    expected = towers.make_tower(LARGER[kind].tower)
    assert isinstance(encoder, TowerEncoder)
    for (name, ours), (_, theirs) in zip(encoder.model.named_parameters(), expected.named_parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_load_reads_a_folder_with_its_extractor(tmp_path):
    folder = towers.save_tower(tmp_path / "codec", "encodec")
    towers.make_extractor("encodec", towers.make_config("encodec")).save_pretrained(folder)
    embedder = audiossl.load(folder)
    assert embedder.sample_rate == 24000 and embedder.embed(0.1 * torch.randn(24000)).frames.shape[-2:] == (75, 16)
    assert audiossl.load(f"hf:{folder}:0").embed(torch.zeros(2400)).frames.shape[-1] == 16


def test_what_cannot_be_served_is_said_in_one_line(tmp_path, monkeypatch):
    folder = towers.save_tower(tmp_path / "voxtral", "voxtral_encoder")
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    with pytest.raises(ConfigError, match="makes 80 mel bins, its config reads 16"):
        audiossl.load(folder)
    (folder / "preprocessor_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ConfigError, match=r"it lacks \d+ weights of its tower, such as layers\.2\.") as caught:
        audiossl.load(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    monkeypatch.setitem(
        TOWERS, "voxtral_encoder", TOWERS["mimi"].__class__(**{**vars(TOWERS["voxtral_encoder"]), "place": "a.b:C"})
    )
    with pytest.raises(ConfigError, match=r"Voxtral needs a newer transformers than .*pip install -U transformers"):
        audiossl.load(folder)


def test_a_larger_model_without_its_tower(tmp_path):
    config = transformers.AutoConfig.for_model("gemma4")
    config.audio_config = None
    with pytest.raises(ConfigError, match="its config has no audio_config: it is published without its audio tower"):
        load_tower(str(tmp_path), config)


def test_clips_that_are_too_long_or_too_short():
    encoder = make("voxtral_encoder")
    with pytest.raises(DataError, match=r"Voxtral reads at most 30 s at once, got 31\.0 s"):
        encoder(torch.zeros(1, 1, 496000), torch.tensor([496000]))
    with pytest.raises(DataError, match="Voxtral needs at least 400 samples per clip, got 100"):
        encoder(torch.zeros(1, 1, 100), torch.tensor([100]))


def test_clap_gives_a_vector_for_every_ten_seconds():
    encoder = make("clap_audio_model")
    clip = 0.1 * torch.randn(1, 1, 2 * 480000 + 100)
    frames = encoder(clip, torch.tensor([clip.shape[2]])).last
    second = encoder(clip[:, :, 480000:960000], torch.tensor([480000])).last
    assert frames.shape == (1, 2, 64) and torch.allclose(frames[:, 1:], second, atol=1e-6), "5 ms at the end are no piece"


def test_a_tower_gives_the_same_twice():
    """Gemma's extractors add noise of numpy's global generator."""
    for kind in ("gemma3n_audio", "gemma4_audio"):
        encoder = make(kind)
        signal, lengths = clips(encoder)
        assert torch.equal(encoder(signal, lengths).last, encoder(signal, lengths).last)


def test_every_row_is_known_to_transformers():
    known = transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    assert set(TOWERS) <= set(known) and set(LARGER) <= set(known) and all(map(is_tower, known.keys() & TOWERS.keys()))
    assert len(tower_titles()) == len(TOWERS) == len(towers.CONFIGS)


@pytest.mark.slow  # checks thirty models
def test_the_table_of_the_documents_is_what_a_run_gives():
    table = pytest.importorskip("encoder_table")
    assert table.written() == table.make_table(), "write it again: python tests/teachers/encoder_table.py"

"""What an encoder says of itself, and what stays unknown."""

from __future__ import annotations

from audiossl.models import ModelFacts, TrainingSet, Zipformer
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput


def test_an_encoder_of_audio():
    encoder = Zipformer.from_preset("tiny", output_downsampling_factor=2)
    facts = ModelFacts.of(encoder, "me/mine")
    assert (facts.sample_rate, facts.frame_rate, facts.last_frame_rate, facts.hop_seconds) == (16000.0, 50.0, 25.0, 0.02)
    assert facts.widths == (192,) * 5 and facts.is_audio and facts.model_type == "spear"
    assert facts.parameters == sum(weight.numel() for weight in encoder.parameters())
    assert (facts.licence, facts.languages, facts.training, facts.known_languages) == (None, None, None, ())


def test_encoders_with_channels():
    takes = SensorInput(("x", "y"), ("g", "g"), 50.0)
    facts = ModelFacts.of(SensorEncoder(ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)), takes), "me/steps")
    assert (facts.channels, facts.units, facts.sample_rate, facts.is_audio) == (("x", "y"), ("g", "g"), 50.0, False)
    regions = ["a", "b", "c", "d"]
    facts = ModelFacts.of(ConnectivityEncoder(regions, 0.8, ConnectivityConfig(window=10, stride=5, dim=8, num_layers=1)), "me/b")
    assert facts.channels == tuple(regions) and facts.units == ()


def test_the_author_has_the_last_word_on_languages():
    facts = ModelFacts.of(Zipformer.from_preset("tiny"), "me/mine")
    labelled = ModelFacts(
        **{**vars(facts), "training": (TrainingSet("a", languages=("en", "es")), TrainingSet("b", languages=("en",)))}
    )
    assert labelled.known_languages == ("en", "es")
    assert labelled.stated(languages=["nl"]).known_languages == ("nl",)
    assert labelled.stated(languages=[]).known_languages == () and labelled.stated().known_languages == ("en", "es")


def test_a_training_set_of_which_little_is_known():
    assert TrainingSet("a").in_words == "a: size not known"
    assert TrainingSet("a", 1, 2.0, 1).in_words == "a: 1 recording, 1 speaker, 2.00 hours"

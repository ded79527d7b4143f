"""The text of a model card: each kind of encoder, each thing that is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from audiossl.models import ModelFacts, Zipformer, model_card


@pytest.fixture(scope="module")
def facts():
    return ModelFacts.of(Zipformer.from_preset("tiny"), "me/mine")


def test_unknown_things_are_said_to_be_unknown(facts):
    card = model_card(facts)
    for said in (
        "| Languages | not known |",
        "| Licence of the weights | not stated by its author |",
        "Not known.",
        "None were measured.",
        "Which languages the training data hold is not known.",
        "`audiossl check me/mine` does",
    ):
        assert said in card
    assert yaml.safe_load(card.split("---")[1]).keys() == {"library_name", "pipeline_tag", "tags"}


@pytest.mark.parametrize(
    ("licence", "metadata"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("CC-BY-SA-3.0", {"license": "cc-by-sa-3.0"}),
        ("Anna's own: ask", {"license": "other", "license_name": "Anna's own: ask"}),
    ],
)
def test_licences_that_the_hub_knows_and_others(facts, licence, metadata):
    found = yaml.safe_load(model_card(replace(facts, licence=licence)).split("---")[1])
    assert {key: value for key, value in found.items() if key.startswith("license")} == metadata


def test_only_codes_of_languages_are_metadata(facts):
    card = model_card(replace(facts, languages=("en", "Old Norse")))
    assert yaml.safe_load(card.split("---")[1])["language"] == ["en"] and "| Languages | en, Old Norse |" in card


def test_sensors_and_slow_outputs(facts):
    card = model_card(replace(facts, channels=("x", "y"), units=("g", ""), last_frame_rate=0.5))
    assert "| Channels | 2: x (g), y |" in card and "| Hop of the final output | 2 s, 0.5 frames a second |" in card
    assert "sample_rate=16000" in card and "clip.wav" not in card and "languages the training data" not in card


def test_a_class_from_outside_is_named_and_not_offered_to_transformers(facts):
    card = model_card(replace(facts, model_type="my_module:MyEncoder"))
    assert 'trust_code="my_module:MyEncoder"' in card and "is not part of audiossl" in card and "AutoModel" not in card
    assert "AutoModel" in model_card(facts) and "trust_code" not in model_card(facts)

"""What `transformers.AutoFeatureExtractor` reads next to an encoder of audio."""

from __future__ import annotations

from pathlib import Path

from audiossl.files import write_json
from audiossl.models.model_facts import ModelFacts

EXTRACTOR = "preprocessor_config.json"


def write_extractor(facts: ModelFacts, folder: Path) -> None:
    """Write the feature extractor of `transformers` that pads clips and writes their mask; the encoder does the rest.

    Encoders of sensors and brains get none: the extractors of `transformers` know one channel.
    """
    if not facts.is_audio:
        return
    about = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": round(facts.sample_rate),
        "padding_value": 0.0,
        "padding_side": "right",
        "do_normalize": False,
        "return_attention_mask": True,
    }
    write_json(folder / EXTRACTOR, about)

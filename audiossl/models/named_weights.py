"""Weights of an encoder that is made by its name, such as a fine-tuned model of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from audiossl.encoder_names import Wanted, parse_name
from audiossl.models.encoder import Encoder
from audiossl.models.weights import fill


class NamedWeights:
    """What `hub.save` writes of an encoder that does not say what it is made from: its name, and its weights."""

    @classmethod
    def from_saved(cls, values: Mapping[str, Any], state: Mapping[str, Tensor]) -> Encoder:
        """Make the encoder by its name and put the weights into it.

        Raises:
            ConfigError: if the name leads to nothing.
            StoreError: if the weights do not fit.
        """
        known, rest, layer = parse_name(str(values["name"]))
        encoder = known.load(Wanted(rest, layer))
        fill(cast(nn.Module, encoder), state)
        return encoder

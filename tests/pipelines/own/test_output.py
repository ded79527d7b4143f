"""Where runs on own data go, and recipes that lack a corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl.errors import ConfigError
from audiossl.pipelines.own.output import OWN, own_folder, refuse_without_corpus


def test_only_a_recipe_for_own_data_needs_a_corpus():
    refuse_without_corpus("asterisk", None)
    refuse_without_corpus(OWN, "data/own")  # a folder that happens to be called so
    with pytest.raises(ConfigError, match="for data of your own: say where they are"):
        refuse_without_corpus(OWN, None)


def test_outputs_are_named_after_method_and_corpus():
    assert own_folder("spear", "recordings") == Path("runs/spear-recordings")

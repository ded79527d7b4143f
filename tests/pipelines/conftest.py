"""Real prompts for the tests that run recipes/asterisk."""

from __future__ import annotations

import shutil

import pytest

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch


@pytest.fixture(scope="session")
def prompts() -> None:
    """The packages of the recipe, or a visible skip where neither a client nor a cache has them."""
    if shutil.which("apt-get") is None:
        pytest.skip("the prompts come as Debian packages, and there is no apt-get here")
    try:
        fetch("deb:asterisk-core-sounds-ru-g722")
    except DataError as error:
        pytest.skip(f"the prompts cannot be fetched here: {error}")

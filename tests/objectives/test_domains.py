"""Which streams are predicted from which domain."""

from __future__ import annotations

import pytest

from audiossl.errors import DataError
from audiossl.objectives.domains import target_streams

STREAMS = ["speech", "audio"]


@pytest.mark.parametrize(
    ("dual_loss", "from_speech", "from_audio"),
    [
        ("joint", ["speech", "audio"], ["speech", "audio"]),
        ("disjoint", ["speech"], ["audio"]),
        ("asymmetric", ["speech"], ["speech", "audio"]),
    ],
)
def test_the_table_of_the_paper(dual_loss, from_speech, from_audio):
    assert target_streams("speech", STREAMS, dual_loss) == from_speech
    assert target_streams("audio", STREAMS, dual_loss) == from_audio


def test_one_stream_needs_no_domain_but_several_do():
    assert target_streams(None, ["hama"]) == ["hama"]
    for domain in (None, "music"):
        with pytest.raises(DataError, match="custom field 'domain'"):
            target_streams(domain, STREAMS)

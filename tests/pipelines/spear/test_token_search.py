"""What stages say of the search for codes: runs of older versions stay, but what they left unfinished is not gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl.data_record import DataFiles
from audiossl.files import write_json
from audiossl.pipelines.spear.tokens import StreamTokens, TokensStage, searches, searches_then, write_tokens
from audiossl.stage import Stage, earlier_fingerprint
from audiossl.stage_record import STARTED, state_of
from audiossl.teachers.teacher import TeacherConfig
from audiossl.tokens.factory import QuantiserConfig
from audiossl.tokens.search import SEARCH


def streams(**quantiser) -> dict[str, StreamTokens]:
    return {"speech": StreamTokens(TeacherConfig("logmel"), QuantiserConfig(**quantiser), "")}


@pytest.mark.parametrize(
    ("quantiser", "found"),
    [
        ({}, {"search": SEARCH}),
        ({"quality": "exact"}, {}),
        ({"num_codebooks": 1}, {}),
        ({"kind": "kmeans", "num_codebooks": 1}, {}),
    ],
)
def test_the_search_counts_where_codes_depend_on_it(quantiser, found):
    assert searches(streams(**quantiser)) == found


@pytest.mark.parametrize(("name", "stays"), [("tokens", True), (".tokens.partial", False)])
def test_finished_tokens_of_an_older_search_stay_and_unfinished_ones_do_not(tmp_path, name, stays):
    config = TokensStage(streams(), "asymmetric")
    stage = Stage("tokens", write_tokens, config, resumable=True, added=searches(config.streams), added_then=searches_then)
    folder: Path = tmp_path / name
    folder.mkdir()
    write_json(folder / STARTED, {"fingerprint": earlier_fingerprint(stage, {})})
    state = state_of(stage, folder, {}, (), DataFiles(tmp_path), STARTED)
    assert (state.fingerprint is not None) == stays
    assert stays or any("search was iterated local search" in reason and SEARCH in reason for reason in state.reasons)

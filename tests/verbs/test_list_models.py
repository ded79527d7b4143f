from __future__ import annotations

import audiossl
from audiossl.cli import main
from audiossl.encoder_names import ENCODERS, OUTSIDE, parse_name
from audiossl.models.published import PUBLISHED


def test_every_row_of_the_table_is_listed_with_an_example_that_leads_to_it():
    rows = audiossl.list_models()
    assert len(rows) == len(ENCODERS) + len(PUBLISHED)
    for row, known in zip(rows, ENCODERS.values(), strict=False):
        assert row.name == known.written and row.about and parse_name(row.example)[0] is known
    assert rows[-1].name == PUBLISHED[-1].name


def test_the_command_prints_the_same_rows(capsys):
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert all(str(row) in said for row in audiossl.list_models())
    assert OUTSIDE.written in said and "my_encoder.py:MyEncoder" in said

"""The model card of the asterisk student: its numbers are those that were recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

from audiossl.models import Zipformer

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "asterisk"
CARD = (FOLDER / "model_card.md").read_text(encoding="utf-8")
CELL = re.compile(r"(?P<value>[\d.]+) \[(?P<low>[\d.]+), (?P<high>[\d.]+)\] \((?P<groups>\d+)\)")


def test_every_cell_is_a_recorded_row_and_every_row_a_cell():
    said = re.search(r"commit (\w{7}), seed (\d+)", CARD)
    assert said is not None
    lines = [json.loads(line) for line in (FOLDER / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in lines if row["commit"].startswith(said[1]) and str(row["seed"]) == said[2]]
    recorded = {
        (row["model"], f"{row['task']}, {row['metric'].replace('_', ' ')} %"): [
            *(f"{100 * row[name]:.1f}" for name in ("value", "low", "high")),
            str(row["groups"]),
        ]
        for row in rows
    }
    table = [
        line.strip("|").split("|")
        for line in CARD.splitlines()
        if line.startswith("|") and ("[" in line or "frame_phones" in line)
    ]
    columns = [name.strip() for name in table[0][1:]]
    shown = {
        (line[0].strip(), column): list(CELL.fullmatch(cell.strip()).groups())  # pyright: ignore[reportOptionalMemberAccess]
        for line in table[1:]
        for column, cell in zip(columns, line[1:], strict=True)
    }
    assert len(shown) == 16 and shown == recorded


def test_sizes_are_those_of_the_model():
    encoder = Zipformer.from_preset("tiny")
    assert f"| Weights | {sum(weight.numel() for weight in encoder.parameters()):,}, float32 |" in CARD
    assert f"| Layers | {encoder.num_layers}, of width {encoder.dim} |" in CARD
    assert "| Hop | 20 ms, 50 frames a second |" in CARD and "| Sample rate | 16000 Hz |" in CARD

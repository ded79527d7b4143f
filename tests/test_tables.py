"""Tables as programs and spreadsheets write them: the same rows come out of all."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.tables import read_table

ROWS = [
    {"id": "a", "text": "hello, world; again", "end": "1.5"},
    {"id": "b", "text": "two\nlines", "end": ""},
    {"id": "ç", "text": 'she said "no"', "end": "nan"},
]


def written(delimiter: str = ",", line_end: str = "\n", rows=ROWS) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_same_rows_however_it_was_saved(tmp_path, encoding, delimiter, line_end):
    path = tmp_path / "t.csv"
    path.write_bytes(written(delimiter, line_end).encode(encoding))
    table = read_table(path, ["id", "text"])
    assert [row.cells for row in table.rows] == ROWS and table.columns == ["id", "text", "end"]
    assert [table.number(row, "end") for row in table.rows] == [1.5, None, None]


def test_excel_and_blank_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes('sep=;\r\nid; text ;end;;\r\n\r\n a ;"x\r\ny";"0,25";;\r\n;;;;\r\nb;\xa0z\xa0;3;;\r\n'.encode("utf-8-sig"))
    table = read_table(path)
    assert [(row.line, row.cells) for row in table.rows] == [
        (5, {"id": "a", "text": "x\r\ny", "end": "0,25"}),
        (7, {"id": "b", "text": "z", "end": "3"}),
    ]
    assert [table.number(row, "end") for row in table.rows] == [0.25, 3.0]


def test_a_long_cell(tmp_path):
    (tmp_path / "t.csv").write_text("id,text\na," + "x" * 200_000)
    assert len(read_table(tmp_path / "t.csv").rows[0].cells["text"]) == 200_000


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "missing id .found no header"),
        (b"id,text\n", None),
        (b"name,text\na,b\n", r"expected the columns id; missing id .found name, text"),
        (b"id,id\na,b\n", "'id' comes twice"),
        (b"id,text\na,b,c\n", "line 2: 3 cells, but the header has 2 columns; a cell that holds ','"),
        (b'id,text\na,"b\nc,d\n', "line 3: .*quotation mark that nothing closes"),
        (b"id,text\n\na,caf\xe9\n", r"line 3: not UTF-8 \(byte 0xe9\); save the table as 'CSV UTF-8'"),
        ("id,text\na,b\n".encode("utf-16-le"), "null characters"),
    ],
)
def test_what_is_no_table(tmp_path, raw, message):
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    if message is None:
        assert read_table(path, ["id"]).rows == []
        return
    with pytest.raises(DataError, match=message):
        read_table(path, ["id"])


def test_what_is_not_there_or_no_number(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("id,end\na,1.5 s\n")
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"line 2: expected a number in column end, got '1.5 s'"):
        table.number(table.rows[0], "end")


CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12).map(str.strip)


@given(st.lists(st.tuples(st.just("x"), CELLS), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_any_text_survives(tmp_path_factory, cells, delimiter):
    rows = [{"id": f"{one}{i}", "text": text} for i, (one, text) in enumerate(cells)]
    path = Path(tmp_path_factory.mktemp("t")) / "t.csv"
    path.write_bytes(written(delimiter, "\r\n", rows).encode("utf-8-sig"))
    assert [row.cells for row in read_table(path, ["id", "text"]).rows] == rows

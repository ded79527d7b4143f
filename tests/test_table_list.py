"""Lists that show themselves as tables, and are lists in all else."""

from __future__ import annotations

import pickle

from audiossl.embedding.neighbours import Neighbour
from audiossl.evaluation.encoder_check.finding import Finding
from audiossl.table_list import TableList

NEAR = [
    Neighbour("a", "x/a.wav", 0.0, 1.25, 0.98765, columns={"speaker": "<ann>"}),
    Neighbour("bb", "x/b.wav", 10.0, 11.0, 0.5, columns={"speaker": "bob", "age": 7}),
]


def test_it_is_the_list():
    found = TableList(NEAR)
    assert found == NEAR and found[0] is NEAR[0] and found[:1] == NEAR[:1] and [one.id for one in found] == ["a", "bb"]
    assert isinstance(found, list) and pickle.loads(pickle.dumps(found)) == NEAR and sorted(found, key=id) and not TableList()


def test_text_has_a_column_for_each_field_that_is_filled():
    lines = repr(TableList(NEAR)).splitlines()
    assert lines[0].split() == ["id", "file", "start", "end", "similarity", "speaker", "age"]  # no time: vectors were compared
    assert lines[1].split() == ["a", "x/a.wav", "0.0", "1.25", "0.9877", "<ann>"]
    assert lines[2].split()[-2:] == ["bob", "7"] and lines[1].index("0.9877") == lines[0].index("similarity")
    assert repr(TableList()) == "[]"
    assert repr(TableList([Finding("padding", "pass", "0")])) == "check    status  found  advice\npadding  pass    0"


def test_a_notebook_gets_a_table_whose_text_is_escaped():
    page = TableList(NEAR)._repr_html_()
    assert page.count("<tr>") == 3 and "<td>&lt;ann&gt;</td>" in page and "<td>0.9877</td>" in page and "None" not in page
    assert "nothing" in TableList()._repr_html_()

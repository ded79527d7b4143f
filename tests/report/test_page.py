"""The page is one whole, well-formed, accessible file that asks nobody for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from example_page import example_clip, example_content, example_sound

from audiossl.errors import ConfigError, DataError
from audiossl.report import AudioClip, Cell, KeyValues, Picture, ReportContent, Section, Table, Text, write_report
from audiossl.report.page import anchor_names, render_page

VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Collects tags and text, and complains of tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.text.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(example_content())


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_head_says_charset_language_title_and_an_empty_icon(outline):
    assert outline.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in outline.all("meta")
    assert outline.all("link") == [{"rel": "icon", "href": "data:,"}]
    assert "asterisk: masked prediction of teacher tokens" in outline.text


def test_nothing_is_fetched(page, outline):
    addresses = [value for _, attributes in outline.tags for name, value in attributes.items() if name in ("src", "href")]
    assert len(addresses) > 15
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\(|@import|https?:|fetch\(", page)
    [policy] = [meta["content"] for meta in outline.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_the_contents_lead_to_sections(outline):
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"][1:] for link in outline.all("a")]
    assert set(links) <= set(ids)
    labelled = [section["aria-labelledby"] for section in outline.all("section")]
    assert labelled == links[1:]  # the first is "Skip to content"
    assert len(labelled) == len(example_content().sections)


def test_pictures_and_players_have_words(outline):
    assert len(outline.all("img")) == 8
    assert all(image["alt"] for image in outline.all("img"))
    assert len(outline.all("audio")) == 2
    assert all("controls" in audio and audio["aria-label"] for audio in outline.all("audio"))
    assert {cell.get("scope") for cell in outline.all("th")} == {"row", "col"}
    assert len(outline.all("caption")) == len(outline.all("table")) == 2


def test_every_text_is_escaped():
    evil = "<script>alert('x')</script> \" & <b>"
    content = ReportContent(
        evil,
        evil,
        [
            Section(evil, [Text(evil, evil), Text("p", evil, preformatted=True)], lead=evil),
            Table(evil, [evil, "b"], [[evil, Cell(evil, evil, best=True)]], evil),
            Picture(evil, "<svg xmlns='http://www.w3.org/2000/svg'/>", evil, evil),
            AudioClip(evil, example_sound(0.1), 16000, evil),
            KeyValues(evil, [(evil, evil)], evil),
        ],
        eyebrow=evil,
        footer=evil,
        language='en"><b>',
    )
    outline = Outline(render_page(content))
    assert len(outline.all("script")) == 1
    assert outline.all("b") == []
    assert "".join(outline.text).count(evil) >= 20
    assert outline.all("img")[0]["alt"] == evil


def test_equal_contents_give_equal_bytes(page):
    assert render_page(example_content.__wrapped__()) == page  # figures drawn again from the same data


def test_anchor_names_are_unique_for_any_titles():
    names = anchor_names(["Results", "results!", "Результаты", "测试", "content", "Results 2"])
    assert names == ["results", "results-2", "section", "section-2", "content-section", "results-2-2"]


def test_tables_mark_the_best_and_align_numbers():
    table = Table(
        "t", ["model", "value", "word"], [["a", Cell("69.3", "[67.8, 70.9]", best=True), "x"], ["b", -1234, "y"]], "short"
    )
    page = render_page(ReportContent("r", "", [table]))
    assert '<td class="number"><strong>69.3</strong> <span class="detail">[67.8, 70.9]</span></td><td>x</td>' in page
    assert '<td class="number">-1,234</td>' in page
    assert '<th scope="row">a</th>' in page
    assert '<th scope="col" class="number">value</th>' in page


def test_a_table_with_a_ragged_row_is_refused_by_name():
    with pytest.raises(DataError, match=r"'stages': expected 2 cells.*got 1"):
        render_page(ReportContent("r", "", [Table("stages", ["a", "b"], [["x"]])]))


def test_a_failing_report_leaves_the_old_page(tmp_path):
    path = tmp_path / "a folder" / "report.html"
    write_report(ReportContent("old", "", []), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"'clip'.*NaN"):
        write_report(ReportContent("new", "", [AudioClip("clip", np.array([0.0, np.nan]), 16000)]), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_an_unwritable_place_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        write_report(ReportContent("r", "", []), tmp_path / "file" / "report.html")


def test_names_of_files_that_are_not_unicode_can_be_shown(tmp_path):
    write_report(ReportContent("r", "", [Text("t", "caf\udce9.wav")]), tmp_path / "report.html")
    assert "caf?.wav" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_playhead_runs_over_the_axes_of_the_clip():
    page = render_page(ReportContent("r", "", [example_clip(seconds=2.0)]))
    place = {name: float(value) for name, value in re.findall(r'data-(left|right|start|end)="([\d.]+)"', page)}
    figure = example_clip(seconds=2.0).figure
    assert (place["start"], place["end"]) == (0.0, 2.0)
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(abs(box.x0 - place["left"]) < 1e-4 and abs(box.x1 - place["right"]) < 1e-4 for box in boxes)

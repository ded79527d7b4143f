import pytest

from audiossl.errors import DataError
from audiossl.evaluation.superb.tables import read_table, write_table


def test_rows_are_read(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id,wav_path,label,start_sec,end_sec,group\nx,a.wav,cat,0.5,1.5,g\ny,/b.wav,dog,,nan,\n")
    one, other = read_table(path, ["label"])
    assert (one.path, one.start, one.end, one.values["label"], one.group) == (tmp_path / "a.wav", 0.5, 1.5, "cat", "g")
    assert (str(other.path), other.start, other.end, other.group) == ("/b.wav", 0.0, None, "y")
    write_table(tmp_path / "again.csv", [{"id": "x", "wav_path": "a, b.wav"}])
    assert read_table(tmp_path / "again.csv")[0].path.name == "a, b.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,wav_path\nx,a.wav\n", "missing label"),
        ("id,wav_path,label\n", "at least one clip"),
        ("id,wav_path,label\nx,a.wav,\n", "line 2: label is empty"),
        ("id,wav_path,label\nx,a.wav,cat\nx,b.wav,cat\n", "line 3: the id 'x' comes twice"),
        ("id,wav_path,label,end_sec\nx,a.wav,cat,soon\n", "line 2: expected a number in column end_sec, got 'soon'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    path = tmp_path / "valid.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"valid\.csv.*{message}"):
        read_table(path, ["label"])
    with pytest.raises(DataError, match=r"test\.csv is missing"):
        read_table(tmp_path / "test.csv")


def test_a_table_that_a_spreadsheet_saved(tmp_path):
    """Byte order mark, semicolons, decimal commas, line ends of Windows, a line break in a cell, empty rows."""
    path = tmp_path / "train.csv"
    text = 'id;wav_path;transcription;start_sec\r\na;a.wav;"one\r\ntwo";1,5\r\n;;;\r\nb;b.wav;three;\r\n'
    path.write_bytes(text.encode("utf-8-sig"))
    one, other = read_table(path, ["transcription"])
    assert (one.id, one.start, one.values["transcription"].split()) == ("a", 1.5, ["one", "two"])
    assert (other.id, other.path, other.start, other.end) == ("b", tmp_path / "b.wav", 0.0, None)

import os

from hypothesis import given
from hypothesis import strategies as st

from audiossl.folder_stamps import folder_stamps
from audiossl.stamps import Stamp, digest, has_changed, stamp


def test_a_stamp_holds_size_time_and_digest(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    made = stamp(path)
    assert made == Stamp(3, path.stat().st_mtime_ns, digest(path))
    assert made.digest == "cf4ab791c62b8d2b2109c90275287816"  # BLAKE2b of "abc", 16 bytes, by hashlib's own one-shot call


@given(before=st.binary(max_size=50), after=st.binary(max_size=50), same_time=st.booleans())
def test_verified_changes_are_exactly_those_of_content(tmp_path_factory, before, after, same_time):
    path = tmp_path_factory.mktemp("stamps") / "a.bin"
    path.write_bytes(before)
    made = stamp(path)
    path.write_bytes(after)
    if same_time:
        os.utime(path, ns=(made.modified, made.modified))
    assert has_changed(path, made, verify=True) == (before != after)
    assert has_changed(path, made) == (
        len(before) != len(after) or (before != after and path.stat().st_mtime_ns != made.modified)
    )


def test_a_touched_file_has_not_changed_and_a_lost_one_has(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    made = stamp(path)
    os.utime(path, ns=(5, 5))
    assert not has_changed(path, made)
    path.unlink()
    assert has_changed(path, made)


def test_known_files_are_not_read_again(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    about = (tmp_path / "a").stat()
    known = {"a": Stamp(about.st_size, about.st_mtime_ns, "of an earlier walk")}
    assert folder_stamps(tmp_path, known) == known


def test_links_are_followed_once_and_broken_ones_left_out(tmp_path):
    inside, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    inside.mkdir(), elsewhere.mkdir()
    (inside / "a").write_bytes(b"1")
    (elsewhere / "b").write_bytes(b"2")
    (inside / "linked").symlink_to(elsewhere)
    (inside / "loop").symlink_to(inside)
    (inside / "lost").symlink_to("absent")
    assert list(folder_stamps(inside)) == ["a", "linked/b"]

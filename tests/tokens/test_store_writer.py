"""Writing token stores: shards, appending, kills at any moment, and refusal of what does not belong together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError, StoreError
from audiossl.tokens import TokenStore, TokenWriter
from audiossl.tokens.search import SEARCH

ABOUT = {"quantiser_id": "0123abcd", "num_codebooks": 3, "codebook_size": 256, "frame_rate": 50.0, "teacher": "logmel: 80 bins"}


def codes_of(number: int) -> torch.Tensor:
    """Codes that tell their cut and frame."""
    return torch.stack([torch.arange(number % 5), torch.full((number % 5,), number % 251), torch.zeros(number % 5)], 1).long()


def fill(folder, numbers, **options):
    with TokenWriter(folder, **ABOUT, **options) as writer:
        for number in numbers:
            if f"cut-{number}" not in writer:
                writer.add(f"cut-{number}", codes_of(number))


def content(folder) -> dict[str, list[list[int]]]:
    store = TokenStore.open(folder, "0123abcd")
    return {cut_id: store[cut_id].tolist() for cut_id in store.cut_ids()}


def expected(numbers) -> dict[str, list[list[int]]]:
    return {f"cut-{number}": codes_of(number).tolist() for number in numbers}


def listed_files(folder) -> set[str]:
    shards = json.loads((folder / "store.json").read_text())["shards"]
    return {"store.json", *(shard[kind] for shard in shards for kind in ("tokens", "index"))}


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 9), max_size=20),
    parts=st.lists(st.integers(0, 20), max_size=3),
    shard_frames=st.integers(1, 40),
    codebook_size=st.sampled_from([2, 256, 257, 65536]),
    append=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_cuts_in_any_shards_come_back(lengths, parts, shard_frames, codebook_size, append, seed):
    generator = torch.Generator().manual_seed(seed)
    cuts = {f"ü/{i}": torch.randint(codebook_size, (length, 2), generator=generator) for i, length in enumerate(lengths)}
    about = {**ABOUT, "num_codebooks": 2, "codebook_size": codebook_size}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "deep" / "tokens"
        for stop in [*sorted(parts), len(cuts)] if append else [len(cuts)]:
            with TokenWriter(folder, **about, append=append, shard_frames=shard_frames) as writer:
                for cut_id, codes in list(cuts.items())[:stop]:
                    if cut_id not in writer:
                        writer.add(cut_id, codes)
        store = TokenStore.open(folder)
        assert store.cut_ids() == list(cuts)
        for cut_id, codes in cuts.items():
            assert torch.equal(store[cut_id].long(), codes)
        assert store.num_token_frames == sum(lengths)
        assert all(shard.num_frames < shard_frames + 9 for shard in store.shards)
        assert {path.name for path in folder.iterdir()} == listed_files(folder)
        assert [path.name for path in folder.parent.iterdir()] == ["tokens"]


def test_a_shard_is_closed_at_its_size(tmp_path):
    fill(tmp_path / "t", range(10, 30), shard_frames=8)  # lengths 0 1 2 3 4 0 1 ...
    # Cuts are never split: a shard ends with the cut that brings it to 8 frames.
    assert [(shard.num_cuts, shard.num_frames) for shard in TokenStore.open(tmp_path / "t").shards] == [(5, 10)] * 4


def test_appending_goes_on_with_new_shards(tmp_path):
    fill(tmp_path / "t", range(7), append=True)
    first = (tmp_path / "t" / "tokens-00000.npy").stat()
    fill(tmp_path / "t", range(12), append=True)
    fill(tmp_path / "t", range(12), append=True)
    assert content(tmp_path / "t") == expected(range(12))
    assert [shard.num_cuts for shard in TokenStore.open(tmp_path / "t").shards] == [7, 5]
    assert (tmp_path / "t" / "tokens-00000.npy").stat().st_mtime_ns == first.st_mtime_ns


def test_files_of_cuts_are_kept_where_they_are_said(tmp_path):
    fill(tmp_path / "t", range(3), append=True)
    with TokenWriter(tmp_path / "t", **ABOUT, append=True) as writer:
        writer.add("cut-8", codes_of(8), "/data/8.wav")
        writer.add("cut-9", codes_of(9))
    assert content(tmp_path / "t") == expected([0, 1, 2, 8, 9])
    assert TokenStore.open(tmp_path / "t").sources() == {"cut-8": "/data/8.wav"}
    with TokenWriter(tmp_path / "t", **ABOUT, append=True) as writer:
        assert {cut: origin.path for cut, origin in writer.origins.items()} == {"cut-8": "/data/8.wav"}


def test_without_append_an_older_store_is_replaced_at_the_end(tmp_path):
    fill(tmp_path / "t", range(7), shard_frames=1)
    with TokenWriter(tmp_path / "t", **ABOUT) as writer:
        assert "cut-1" not in writer
        writer.add("cut-1", codes_of(8))
        writer.commit()
        assert content(tmp_path / "t") == expected(range(7))
    assert content(tmp_path / "t") == {"cut-1": codes_of(8).tolist()}
    assert {path.name for path in (tmp_path / "t").iterdir()} == listed_files(tmp_path / "t")


def test_a_commit_is_seen_before_the_end(tmp_path):
    with TokenWriter(tmp_path / "t", **ABOUT, append=True) as writer:
        assert content(tmp_path / "t") == {}
        writer.add("cut-3", codes_of(3))
        assert content(tmp_path / "t") == {}
        writer.commit()
        writer.commit()
        assert content(tmp_path / "t") == expected([3])
        writer.add("cut-4", codes_of(4))
    assert content(tmp_path / "t") == expected([3, 4])


def test_time_closes_a_shard(tmp_path):
    with TokenWriter(tmp_path / "t", **ABOUT, append=True, commit_seconds=0.0) as writer:
        writer.add("cut-3", codes_of(3))
        assert content(tmp_path / "t") == expected([3])


def test_an_exception_keeps_what_was_appended(tmp_path):
    with pytest.raises(DataError, match="outside"), TokenWriter(tmp_path / "t", **ABOUT, append=True) as writer:
        writer.add("cut-3", codes_of(3))
        writer.commit()
        writer.add("cut-4", codes_of(4))
        writer.add("cut-5", torch.full((2, 3), 256))
    assert content(tmp_path / "t") == expected([3, 4])
    fill(tmp_path / "t", range(9), append=True)
    assert {path.name for path in (tmp_path / "t").iterdir()} == listed_files(tmp_path / "t")


def test_a_write_that_failed_half_way_shifts_nothing(tmp_path):
    with TokenWriter(tmp_path / "t", **ABOUT, append=True) as writer:
        writer.add("cut-3", codes_of(3))
        writer._open._file.write(b"half a cut")
        writer.add("cut-4", codes_of(4))
        writer._open._file.write(b"half a cut")
    assert content(tmp_path / "t") == expected([3, 4])


def test_bad_codes_are_refused_and_leave_the_old_store(tmp_path):
    fill(tmp_path / "t", range(7))
    for codes, message in (
        (torch.full((2, 3), -100), "without padding"),
        (torch.full((2, 3), 256), "outside"),
        (torch.zeros(2, 4, dtype=torch.uint8), "codes per frame"),
    ):
        with pytest.raises(DataError, match=message), TokenWriter(tmp_path / "t", **ABOUT) as writer:
            writer.add("a", codes)
    with pytest.raises(DataError, match="twice"), TokenWriter(tmp_path / "t", **ABOUT) as writer:
        writer.add("cut-3", codes_of(3))
        writer.add("cut-3", codes_of(3))
    assert content(tmp_path / "t") == expected(range(7))
    with pytest.raises(DataError, match="twice"), TokenWriter(tmp_path / "t", **ABOUT, append=True) as writer:
        writer.add("cut-3", codes_of(3))


@pytest.mark.parametrize(
    ("field", "value"),
    [("quantiser_id", "ffff"), ("num_codebooks", 4), ("codebook_size", 128), ("frame_rate", 25.0), ("teacher", "hubert")],
)
def test_a_store_made_otherwise_is_not_appended_to(tmp_path, field, value):
    fill(tmp_path / "t", range(7))
    message = f"{field} is {ABOUT[field]!r}, not {value!r}"
    with pytest.raises(StoreError, match=message), TokenWriter(tmp_path / "t", **{**ABOUT, field: value}, append=True):
        pass
    fill(tmp_path / "t", range(9), append=True)  # the refusal let go of the folder
    assert content(tmp_path / "t") == expected(range(9))


def test_a_damaged_store_is_not_appended_to(tmp_path):
    fill(tmp_path / "t", range(7))
    (tmp_path / "t" / "store.json").unlink()
    with pytest.raises(StoreError, match=r"no store\.json"):
        fill(tmp_path / "t", range(9), append=True)
    assert (tmp_path / "t" / "tokens-00000.npy").exists()
    (tmp_path / "t" / "store.json").write_text("{")
    with pytest.raises(StoreError, match=r"store\.json is missing or damaged"):
        fill(tmp_path / "t", range(9), append=True)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_two_writers_of_a_folder_are_refused(tmp_path, first, second):
    with TokenWriter(tmp_path / "t", **ABOUT, append=first) as writer:
        writer.add("cut-3", codes_of(3))
        again = TokenWriter(tmp_path / "x" / ".." / "t", **ABOUT, append=second)
        with pytest.raises(StoreError, match=r"t is in use by process \d+ on .*, for 0 min"), again:
            pass
        with TokenWriter(tmp_path / "other", **ABOUT, append=second):
            pass
    assert content(tmp_path / "t") == expected([3])


def test_a_closed_writer_takes_no_cuts(tmp_path):
    writer = TokenWriter(tmp_path / "t", **ABOUT, append=True)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="with"):
            writer.add("cut-3", codes_of(3))
        with writer:
            pass


def start(tmp_path, body: str) -> subprocess.Popen[str]:
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_store_writer import *
        folder = Path({str(tmp_path / "t")!r})
    """
    code = textwrap.dedent(script) + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_kill_while_appending_loses_no_committed_shard_and_the_job_goes_on(tmp_path):
    process = start(
        tmp_path,
        """
        with TokenWriter(folder, **ABOUT, append=True, shard_frames=10) as writer:
            for number in range(10**9):
                writer.add(f"cut-{number}", codes_of(number))
                if number == 200:
                    print("under way", flush=True)
        """,
    )
    with process:
        try:
            assert process.stdout.readline() == "under way\n"
            with pytest.raises(StoreError, match="is in use by process"):  # the lock reaches over processes
                fill(tmp_path / "t", range(3), append=True)
        finally:
            process.kill()
    kept = content(tmp_path / "t")
    assert len(kept) > 150 and kept == expected(range(len(kept)))
    numbers = range(len(kept) + 20)
    fill(tmp_path / "t", numbers, append=True)
    fill(tmp_path / "whole", numbers)
    assert content(tmp_path / "t") == content(tmp_path / "whole") == expected(numbers)
    assert {path.name for path in (tmp_path / "t").iterdir()} == listed_files(tmp_path / "t")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "whole"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("append", [True, False])
def test_a_kill_at_every_step_of_a_commit(tmp_path, append):
    """Die before the n-th call that changes the file system, for every n."""
    fill(tmp_path / "before", range(4))
    for step in range(100):
        folder = tmp_path / f"{step}" / "t"
        fill(folder, range(4))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads; the child runs none
            child = os.fork()
        if not child:
            left = step

            def die(event: str, args: tuple[object, ...], place: str = str(folder.parent)) -> None:
                nonlocal left
                changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree") or (
                    event == "open" and isinstance(args[1], str) and any(mode in args[1] for mode in "wa+")
                )
                if changes and place in str(args[0]):
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(die)
            try:
                fill(folder, range(11), append=append, shard_frames=6)
            except BaseException:
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL)
        if append:
            kept = content(folder)
            assert len(kept) >= 4 and kept == expected(range(len(kept)))
        fill(folder, range(11), append=append)
        assert content(folder) == expected(range(11))
        assert {path.name for path in folder.iterdir()} == listed_files(folder)
        if not status:
            break
    assert step > 8


def test_a_killed_writer_without_append_leaves_no_store(tmp_path):
    process = start(
        tmp_path,
        """
        with TokenWriter(folder, **ABOUT) as writer:
            writer.add("a", codes_of(3))
            writer.commit()
            os._exit(9)
        """,
    )
    with process:
        pass
    assert process.returncode == 9
    with pytest.raises(StoreError, match="missing"):
        TokenStore.open(tmp_path / "t")


def write_searched(folder, cut_id, search, append=True):
    about = {"quantiser_id": "q", "num_codebooks": 2, "codebook_size": 8, "frame_rate": 50.0, "quality": "default"}
    with TokenWriter(folder, **about, search=search, append=append) as writer:
        if cut_id:
            writer.add(cut_id, torch.zeros(3, 2, dtype=torch.uint8))


@pytest.mark.parametrize(("then", "said"), [("", "an older version"), ("tabu-0", "tabu-0")])
def test_codes_of_two_searches_never_mix(tmp_path, then, said):
    write_searched(tmp_path / "s", "a", then)
    before = (tmp_path / "s" / "store.json").read_bytes()
    write_searched(tmp_path / "s", "", SEARCH)  # nothing to add: it opens, and stays as it is
    with pytest.raises(StoreError, match=rf"found by {said}.* by {SEARCH}"):
        write_searched(tmp_path / "s", "b", SEARCH)
    assert (tmp_path / "s" / "store.json").read_bytes() == before
    assert TokenStore.open(tmp_path / "s").search == then and TokenStore.open(tmp_path / "s").cut_ids() == ["a"]


def test_a_store_without_cuts_takes_the_search_of_its_first(tmp_path):
    write_searched(tmp_path / "s", "", "")
    write_searched(tmp_path / "s", "a", SEARCH)
    write_searched(tmp_path / "s", "b", SEARCH)
    assert TokenStore.open(tmp_path / "s").search == SEARCH and len(TokenStore.open(tmp_path / "s")) == 2

"""Folders of UCR and UEA (.ts) and of MONSTER (.npy): what is read of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from case_folders import ts_lines, waves, write_monster, write_ts

from audiossl.errors import ConfigError, DataError
from audiossl.signals.sensors.case_sets import find_case_set
from audiossl.signals.sensors.cases import Case, CaseSet, SameCases
from audiossl.signals.sensors.monster import MonsterCases
from audiossl.signals.sensors.recording import Rejected
from audiossl.signals.sensors.ts_files import TsCases, read_header


def test_both_sides_of_a_ts_set(tmp_path):
    found = find_case_set([write_ts(tmp_path / "Moves")])
    assert isinstance(found, TsCases) and isinstance(found, CaseSet)
    assert (found.name, found.num_channels, found.longest, found.kind, found.subjects) == ("Moves", 2, 40, "class", False)
    cases = list(found.cases())
    assert [case.id for case in cases][:1] == ["train_00001"] and [case.id for case in cases][-1:] == ["test_00012"]
    assert [case.fold for case in cases] == [""] * 20 + ["0"] * 12
    values, labels = waves(12, seed=2)
    np.testing.assert_allclose(np.stack([case.values for case in cases[20:]]), values, atol=1e-4)
    assert [case.label for case in cases[20:]] == [("rest", "walk")[label] for label in labels]
    assert [case.id for case in found.cases({0, 31})] == ["train_00001", "test_00012"]
    assert len(found.marks()) == 32 and found.marks()[0] == ("Moves_TRAIN.ts", "rest")
    by_file = find_case_set([tmp_path / "Moves" / "Moves_TEST.ts"])
    assert by_file == found


def test_ts_of_one_channel_of_unequal_lengths_with_missing_samples(tmp_path):
    head = ["@problemname Odd", "@timestamps false", "@univariate true", "@classlabel true 1 2", "@data"]
    (tmp_path / "Odd_TRAIN.ts").write_text("\n".join([*head, "1,2,3:1", "4,?,6,7,NaN:2", "", "5:1"]) + "\n")
    (tmp_path / "Odd_TEST.ts").write_text("\n".join([*head, "1,two,3:1", "1,2:3", "1:2:1", "8,9:2"]) + "\n")
    found = find_case_set([tmp_path])
    assert found is not None and (found.num_channels, found.longest) == (1, 5)
    cases = list(found.cases())
    assert [case.label for case in cases if isinstance(case, Case)] == ["1", "2", "1", "2"]
    np.testing.assert_array_equal(cases[1].values, [[4, np.nan, 6, 7, np.nan]])
    reasons = [case.reason for case in cases if isinstance(case, Rejected)]
    assert [
        "line 6: expected numbers" in reasons[0],
        "classes 1, 2, got '3'" in reasons[1],
        "1 channels, got 2" in reasons[2],
    ] == [True] * 3


def test_ts_of_quantities(tmp_path):
    for side in ("TRAIN", "TEST"):
        lines = [
            "@problemName Rate",
            "@univariate false",
            "@dimension 2",
            "@targetLabel true",
            "@data",
            "1,2:3,4:71.5",
            "1,2:3,5:?",
        ]
        (tmp_path / f"Rate_{side}.ts").write_text("\n".join(lines) + "\n")
    found = find_case_set([tmp_path])
    assert found is not None and found.kind == "quantity" and [case.label for case in found.cases()] == [71.5, None] * 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["@problemName X", "1,2:a"], "line @data"),
        (["@timeStamps true", "@classLabel true a", "@data"], "time stamps"),
        (["@classLabel false", "@data"], "@classLabel true or @targetLabel true"),
    ],
)
def test_other_ts_files_are_refused(tmp_path, lines, message):
    (tmp_path / "X_TRAIN.ts").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=message):
        read_header(tmp_path / "X_TRAIN.ts")


def test_sides_of_two_sets_are_not_mixed(tmp_path):
    write_ts(tmp_path)
    (tmp_path / "Moves_TEST.ts").write_text("\n".join(ts_lines(*waves(4, channels=3))) + "\n")
    with pytest.raises(DataError, match="different headers"):
        list(TsCases("Moves", tmp_path / "Moves_TRAIN.ts", tmp_path / "Moves_TEST.ts").cases())


def test_a_monster_folder_whose_folds_keep_people_apart(tmp_path):
    found = find_case_set([write_monster(tmp_path / "Moves")])
    assert isinstance(found, MonsterCases) and isinstance(found, CaseSet)
    assert (found.num_channels, found.longest, found.kind, found.subjects) == (2, 40, "class", True)
    assert {path.name for path in found.files} == {path.name for path in (tmp_path / "Moves").iterdir()}
    cases = list(found.cases())
    assert [case.subject for case in cases[:5]] == ["0", "0", "0", "0", "1"] and cases[0].label == "rest"
    assert all(case.fold == str(int(case.subject) % 5) for case in cases) and found.notes == (
        "its folds, which keep people apart",
    )
    np.testing.assert_array_equal(cases[7].values, waves(40)[0][7])
    assert found.marks()[5] == ("1", "walk")


def test_folds_that_cut_people_are_not_taken(tmp_path):
    found = find_case_set([write_monster(tmp_path, by_person=False)])
    assert found is not None and all(case.fold == "" for case in found.cases())
    assert "its folds test 10 of 10 people (0, 1, 2, 3, ...) whom they train on as well" in found.notes[0]


def test_without_metadata_the_given_folds_are_taken(tmp_path):
    found = find_case_set([write_monster(tmp_path, metadata=False, by_person=False)])
    assert found is not None and not found.subjects and {case.fold for case in found.cases()} == set("01234")
    assert "nobody says who was recorded: its folds" in found.notes[0]
    with pytest.raises(ConfigError, match=r"person=who: there is no Moves_metadata\.npy"):
        list(find_case_set([tmp_path], "who").cases())


def test_another_key_and_unknown_keys(tmp_path):
    write_monster(tmp_path)
    np.save(tmp_path / "Moves_metadata.npy", {"rider": np.arange(40) // 20}, allow_pickle=True)
    assert not find_case_set([tmp_path]).subjects
    assert {case.subject for case in find_case_set([tmp_path], "rider").cases()} == {"0", "1"}
    with pytest.raises(ConfigError, match=r"person=horse: .*it has rider"):
        list(find_case_set([tmp_path], "horse").cases())


class Trap:
    def __reduce__(self):
        return (print, ("run",))


def test_metadata_run_nothing(tmp_path, capsys):
    write_monster(tmp_path)
    np.save(tmp_path / "Moves_metadata.npy", {"subject_id": Trap()}, allow_pickle=True)
    with pytest.raises(DataError, match=r"asks for builtins\.print"):
        list(find_case_set([tmp_path]).cases())
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: np.save(folder / "Moves_y.npy", np.zeros(7)), "7 labels for 40 cases"),
        (lambda folder: (folder / "Moves_y.npy").unlink(), r"has no labels: expected Moves_y\.npy"),
        (lambda folder: (folder / "test_indices_fold_1.txt").write_text("0\n40\n"), "from 0 to 39, got 0 to 40"),
        (lambda folder: (folder / "test_indices_fold_1.txt").write_text("0\n"), "case 0 is tested in an earlier fold"),
        (lambda folder: (folder / "test_indices_fold_1.txt").write_text("zero\n"), "a number of a case in each line"),
    ],
)
def test_parts_that_do_not_fit_are_named(tmp_path, spoil, message):
    write_monster(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        list(find_case_set([tmp_path]).cases())


def test_what_is_no_set_of_cases_is_left_to_others(tmp_path):
    np.save(tmp_path / "acc_X.npy", np.zeros((100, 3)))  # axes of an accelerometer
    np.save(tmp_path / "acc_Y.npy", np.zeros((100, 3)))
    assert find_case_set([tmp_path]) is None and find_case_set([tmp_path, tmp_path]) is None
    assert find_case_set([tmp_path / "*.csv"]) is None


def test_several_sets_and_halves_are_refused(tmp_path):
    write_ts(tmp_path / "all" / "A", "A")
    write_ts(tmp_path / "all" / "B", "B")
    with pytest.raises(ConfigError, match=r"holds the sets A, B: a run is of one"):
        find_case_set([tmp_path / "all"])
    write_ts(tmp_path / "all" / "A", "A_eq")
    assert find_case_set([tmp_path / "all" / "A"]).name == "A", "a set of the folder's name comes before its variants"
    write_ts(tmp_path / "both", "A")
    write_ts(tmp_path / "both", "B")
    with pytest.raises(ConfigError, match=r"such as corpus=.*A_TRAIN\.ts"):
        find_case_set([tmp_path / "both"])
    (tmp_path / "all" / "A" / "A_TEST.ts").unlink()
    with pytest.raises(ConfigError, match=r"A_TEST\.ts is not there"):
        find_case_set([tmp_path / "all" / "A"])


def test_copies_are_found_and_stillness_is_none():
    same, values = SameCases(), waves(1)[0][0]
    assert same.find(Case("a", "x", values)) is None and same.find(Case("b", "x", values.copy())) == "a"
    still = np.zeros((2, 40), np.float32)
    assert same.find(Case("c", "x", still)) is None and same.find(Case("d", "x", still)) is None

"""`tools/bench/gpu.py` in its short form on CPUs, its goals and its page, and the list of wheels."""

from __future__ import annotations

import json

import pytest
import torch
from tool_modules import load_tool

bench = load_tool("bench/gpu.py")
wheels = load_tool("bench/gpu_wheels.py")

from gpu_parts import goals, page, peak, setting  # noqa: E402 - found once a script next to them is loaded

IN_ONE_PROCESS = ["peak", "equality", "features", "encoders", "quantisers", "teacher", "pretraining"]


def rows_of(out) -> dict[str, dict]:
    return {part["part"]: part for part in map(json.loads, (out / "rows.jsonl").read_text().splitlines())}


def run(out, *arguments: str) -> int:
    return bench.main(["--device", "cpu", "--short", "--repeats", "1", "--out", str(out), *arguments])


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("gpu")
    before = torch.random.get_rng_state()
    assert run(out, "--parts", *IN_ONE_PROCESS) == 0  # nothing failed, and every difference is within its bound
    torch.random.set_rng_state(before)
    return out


def test_every_part_measures_what_it_is_there_for(out):
    parts = rows_of(out)
    assert list(parts) == IN_ONE_PROCESS
    metrics = {name: {row["metric"] for row in part["rows"]} for name, part in parts.items()}
    cases = {name: {row["case"] for row in part["rows"]} for name, part in parts.items()}
    assert {"gradient, float32", "frames, bf16", "largest difference of 2 losses, float32"} <= metrics["equality"]
    assert {"log-mel", "Gabor, hop 1", "connectivity, 7 x 100"} <= cases["features"]
    assert {"zipformer-tiny training eager", "wavlm-tiny training eager", "hubert-tiny forward eager"} <= cases["encoders"]
    assert {"fast", "default", "best", "reference, 5 passes"} <= cases["quantisers"]
    assert {"teacher", "search, default", "tokenise, default", "embed, Zipformer Base"} <= cases["teacher"]
    assert {"device waits, % of time", "loop waits, % of time"} <= metrics["pretraining"]
    about = parts["encoders"]["about"]
    assert (
        (about["device"], about["short"]) == ("cpu", True)
        and about["torch"] in torch.__version__
        and "--short" in about["command"]
    )
    measured = [row["value"] for part in parts.values() for row in part["rows"] if row["metric"] in ("audio s/s", "frames/s")]
    assert len(measured) > 20 and min(measured) > 0


def test_the_page_has_a_table_for_each_part_and_says_that_the_form_is_short(out):
    text = (out / "page.md").read_text()
    assert text.startswith("# cpu\n\n**Short form")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [bench.PARTS[name] for name in IN_ONE_PROCESS]
    assert text.count("; commit ") == 1  # where it comes from, once for parts of one call


def test_parts_that_ended_are_not_repeated_unless_asked(out, capsys, monkeypatch):
    before = (out / "rows.jsonl").read_text()
    monkeypatch.setattr(bench, "run_part", lambda name, given: ([{"case": name, "metric": "audio s/s", "value": 7.0}], 1.0))
    assert run(out, "--parts", "peak", "features") == 0
    assert (out / "rows.jsonl").read_text() == before and "measured before" in capsys.readouterr().err
    assert run(out, "--again", "peak") == 0
    again = rows_of(out)
    assert again["peak"]["rows"][0]["value"] == 7.0 and list(again) == IN_ONE_PROCESS
    (out / "rows.jsonl").write_text(before)


def test_rows_of_another_device_are_not_mixed_in(out):
    with pytest.raises(SystemExit, match=r"holds rows of cpu \(short form\); this is cpu: choose another --out"):
        bench.main(["--device", "cpu", "--out", str(out)])


def test_a_part_that_fails_is_a_row_and_the_others_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peak, "measured_tflops", lambda *_: 1 / 0)
    monkeypatch.setattr("gpu_parts.features.transforms", lambda given: [])
    assert run(tmp_path, "--parts", "peak", "features") == 1
    assert rows_of(tmp_path)["peak"]["rows"][0]["note"] == "ZeroDivisionError: division by zero"
    assert "peak, failed: None ZeroDivisionError" in capsys.readouterr().err and "features" in rows_of(tmp_path)


def test_cases_fail_alone_and_bounds_are_kept():
    rows = setting.Rows()
    with rows.attempt("too large"):
        raise torch.cuda.OutOfMemoryError("no room\nfor all")
    rows.bound("near", "difference", 0.5, 1.0)
    rows.bound("far", "difference", 2.0, 1.0)
    rows.bound("broken", "difference", float("nan"), 1.0)
    assert [row["note"] for row in rows.rows] == ["OutOfMemoryError: no room", "within 1", "BEYOND 1", "BEYOND 1"]
    assert rows.value("far", "difference") == 2.0 and rows.value("far", "speed") is None
    assert [bench._is_wrong(row) for row in rows.rows] == [True, False, True, True]


def test_goals_are_met_missed_or_not_measured():
    def row(case: str, metric: str, value: float) -> dict:
        return {"case": case, "metric": metric, "value": value}

    measured = {
        "encoders": [
            row("zipformer-base training eager", "audio s/s", 200.0),
            row("zipformer-base training compiled", "audio s/s", 300.0),
            row("wavlm-base training eager", "audio s/s", 100.0),
        ],
        "teacher": [row("teacher", "audio s/s", 50.0), row("search, default", "audio s/s", 49.0)],
        "pretraining": [row("from files", "device waits, % of time", 9.9), row("from files", "CPU cores", 8.0)],
    }
    training, search, waits, mel = goals.judge(measured)
    assert training.startswith("met: Zipformer Base trains") and training.endswith("; 3 x")  # by the faster way
    assert search.startswith("MISSED: ") and search.endswith("0.98 x the teacher")
    assert waits.startswith("met: ") and "9.9 % with 8 CPU cores" in waits
    assert mel == f"not measured: {goals.GOALS[3]}"
    about = {"device": "A", "kind": "cuda", "short": False, "command": "c", "commit": "d", "torch": "2", "cuda": "13", "cores": 8}
    ended = {name: {"about": about, "rows": rows, "seconds": 1.0} for name, rows in measured.items()}
    text = page.page_of(ended, bench.PARTS)
    assert f"- {training}\n- {search}\n" in text and text.startswith("# A\n")


def test_peaks_by_the_name_of_a_device():
    named = {"NVIDIA H100 PCIe": 756.0, "NVIDIA H100 80GB HBM3": 989.0, "NVIDIA H200": 989.0, "NVIDIA A100-SXM4-80GB": 312.0}
    named |= {"NVIDIA GeForce RTX 4090": 165.0, "NVIDIA L4": 121.0, "NVIDIA L40S": 362.0, "cpu": None, "NVIDIA A10G": None}
    assert {name: peak.stated_tflops(name) for name in named} == named


def test_cells_of_a_page():
    rows = [
        {"case": "a", "metric": "x", "value": 12345.6},
        {"case": "b", "metric": "y", "value": None, "note": "failed | here"},
        {"case": "a", "metric": "y", "value": 0.01234, "note": "within 1"},
    ]
    assert page.table_of(rows) == [
        "| | x | y |",
        "|---|---|---|",
        "| a | 12,346 | 0.0123 (within 1) |",
        "| b |  | failed / here |",
    ]


def test_wheels_are_those_of_the_project(capsys):
    lines = wheels.requirements()
    names = [wheels.name_of(line) for line in lines]
    assert names == sorted(set(names)) and {"torch", "transformers", "multi-quantization", "lhotse", "soundfile"} <= set(names)
    assert next(line for line in lines if line.startswith("torch")).startswith("torch==")  # pinned, where numbers depend on it
    wheels.main([])
    assert capsys.readouterr().out.splitlines() == lines
    wheels.main(["--missing"])
    assert capsys.readouterr().out == ""  # all of them are installed where tests run
    assert wheels.is_missing("no-such-package-of-audiossl>=1")


@pytest.mark.slow
def test_ranks_share_the_work(tmp_path):
    assert run(tmp_path, "--parts", "ranks") == 0
    rows = rows_of(tmp_path)["ranks"]["rows"]
    assert {row["case"] for row in rows} == {"ranks", "ddp", "fsdp"}

"""The page of a connectivity run: scores, training, which regions and edges matter, facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib.figure import Figure

from audiossl.evaluation.results import ResultRow, read_results
from audiossl.files import read_json, read_jsonl
from audiossl.models.connectivity_encoder import ConnectivityEncoder
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design
from audiossl.pipelines.connectivity.details import Details
from audiossl.pipelines.connectivity.models import REJECTED
from audiossl.pipelines.connectivity.readers import kept_correlation
from audiossl.pipelines.connectivity.rows import GraphRow, design_of, make_rows
from audiossl.pipelines.connectivity.saliency import region_saliency
from audiossl.report.content import KeyValues, Part, Picture, ReportContent, Section, Table, Text
from audiossl.report.page import write_report
from audiossl.report.pictures import plot_curves
from audiossl.report.results import highlights_of, name_of, plot_results, results_tables, shown
from audiossl.report.words import in_words
from audiossl.stage import StageConfig, plain
from audiossl.version import __version__

STRONGEST = 60  # edges of a connectome picture


@dataclass(frozen=True)
class ReportConfig(StageConfig):
    """The whole recipe, which the page shows."""

    recipe: ConnectivityRecipe


def report_run(out: Path, inputs: Mapping[str, Path], config: ReportConfig) -> None:
    """Write `report.html`."""
    recipe, models = config.recipe, make_rows(config.recipe)
    rows = read_results(inputs["evaluate"] / "results.json")
    details = Details.read(inputs["evaluate"])
    runs = Runs.open(inputs["recordings"] / "set")
    sections: list[Section | Part] = [
        _results(rows, details), _training(inputs, recipe), _saliency(inputs, recipe, models, runs), _facts(inputs, recipe, runs),
    ]  # fmt: skip
    lead = f"BOLD runs of {recipe.dataset} as graphs in sliding windows. {_seen(recipe, models, runs)}"
    footer = f"audiossl {__version__}, seeds {', '.join(map(str, recipe.seeds))}"
    title = f"{recipe.dataset}: connectivity"
    write_report(ReportContent(title, lead, sections, highlights_of(rows), "audiossl run", footer), out / "report.html")


def _seen(config: ConnectivityRecipe, rows: Mapping[str, GraphRow], runs: Runs) -> str:
    """What pre-training saw, of this run's models and of encoders that were brought along."""
    said = []
    if any(row.trained for row in rows.values()):
        who = ", ".join(config.pretrain.subjects) or "everybody"
        said.append(f"Of {who} pre-training saw the part '{config.pretrain.part.replace('_', ' ')}'.")
        if config.fingerprint.volumes and not runs.are_matrices and Design(runs, design_of(config, rows)).is_transductive:
            said.append("What is to be identified is among it (transductive).")
    for name, row in rows.items():
        if (about := row.origin()) is not None:
            what = in_words({key: value for key, value in about.items() if value not in ([], None)}) if about else "not recorded"
            said.append(f"{name} was trained elsewhere, on: {what}.")
    return " ".join(said)


def _results(rows: list[ResultRow], details: Details) -> Section:
    main = [row for row in rows if row.task == rows[0].task and row.metric == rows[0].metric]
    spread = [
        [task, model, name_of(metric), ", ".join("–" if value is None else shown(metric, value) for value in values)]
        for task, models in details.seeds.items()
        for model, metrics in models.items()
        for metric, values in metrics.items()
    ]
    extras = [
        [task, model, "; ".join(_in_context(name, value) for name, value in found.items())]
        for task, models in details.context.items()
        for model, found in models.items()
    ]
    parts: list[Part] = [
        *results_tables(rows),
        Picture("Values with their intervals", plot_results(main), alt="The first metric of each model with its interval."),
        Table("Each seed", ["Task", "Model", "Metric", "Values"], spread),
        Table("Next to the scores", ["Task", "Model", "What"], extras),
    ]
    note = (
        "Intervals of fingerprints and phenotypes are over people, or families where they are named, those of networks over "
        "regions; their number stands behind them. Other rows are not scored by person and have none. "
        "`standardised`: every entry in deviations of the segments that pre-training saw."
    )
    return Section("Results", parts, note)


def _in_context(name: str, value: Any) -> str:
    """What `details.json` holds next to a score, in words; shares in per cent, as on the rest of the page."""
    match name, value:
        case "spread_over_draws", _:
            return f"standard deviation over draws {', '.join(shown('accuracy', one) for one in value)} points"
        case (("chance" | "majority"), _):
            what = "chance" if name == "chance" else "the largest network alone"
            return f"{what} {shown('accuracy', value)} %"
        case "p_value", None:
            return "no permutation test"
        case "p_value", _:
            return f"p {value:.3g} by permutation"
        case "people_left_out", _:
            return f"left out: {in_words(value) if value else 'nobody'}"
        case "auroc_of_sites", _:
            return "AUROC of sites, %: " + ", ".join(f"{site} {shown('auroc', area)}" for site, area in value.items())
        case _:
            return f"{name.replace('_', ' ')} {in_words(value)}"


def _training(inputs: Mapping[str, Path], config: ConnectivityRecipe) -> Section:
    metrics = [
        {**row, "split": f"{name}, {row['split']}"}
        for name in config.models
        for file in sorted(inputs[f"model_{name}"].glob("seed*/pretrain/metrics.jsonl"))[:1]
        for row in read_jsonl(file)
    ]
    if not metrics:
        return Section("Training", [], "No model was trained.")
    figure = plot_curves(metrics, {"loss": "Loss", "time_edges": "Edges predicted in time, nats"})
    return Section("Training", [Picture("Loss", figure, alt="Training loss of the first seed of each model over steps.")])


def _saliency(inputs: Mapping[str, Path], config: ConnectivityRecipe, rows: Mapping[str, GraphRow], runs: Runs) -> Section:
    """Regions of a trained encoder by how much its output depends on them, and the strongest mean connections."""
    matrices = runs.series if runs.are_matrices else [kept_correlation(series) for series in runs.series]
    mean = np.mean([matrix.numpy() for matrix in matrices], axis=0)
    places = _coordinates(runs)
    parts: list[Part] = [
        Picture("Strongest mean connections", plot_connectome(mean, places, "correlation"), alt="Connections between regions.")
    ]
    for name, row in rows.items():
        folder = inputs[f"model_{name}"] / f"seed{config.seeds[0]}" / "encoder"
        if row.trained and folder.is_dir():
            encoder = ConnectivityEncoder.load(folder, runs.regions)
            regions, edges = region_saliency(encoder, runs.series[: min(4, len(runs.series))])
            top = np.argsort(-regions)[:10]
            shares = [[runs.regions[i], f"{100 * regions[i]:.1f}"] for i in top]
            title = f"{name}: regions its windows depend on most, share of the gradient"
            parts.append(Table(title, ["Region", "Share, %"], shares))
            parts.append(
                Picture(f"{name}: saliency of edges", plot_connectome(edges, places, name), alt=f"Edges that {name} depends on.")
            )
    return Section(
        "Which regions and edges", parts, "Gradients of the length of a window's vector, averaged over windows and runs."
    )


def plot_connectome(matrix: np.ndarray, places: np.ndarray | None, title: str) -> Figure:
    """Draw the strongest entries of a symmetric matrix: in the brain where coordinates are known (nilearn), else as a matrix."""
    strength = np.abs(np.tril(matrix, -1))
    least = np.sort(strength[strength > 0])[-STRONGEST:][0] if (strength > 0).any() else 0.0
    shown_matrix = np.where(np.abs(matrix) >= least, matrix, 0.0)
    np.fill_diagonal(shown_matrix, 0.0)
    if places is not None:
        try:
            from nilearn.plotting import plot_connectome as by_nilearn

            figure = Figure(figsize=(9, 3.4))
            by_nilearn(shown_matrix, places, figure=figure, node_size=12, title=title)
            return figure
        except ImportError:
            pass
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    axes = figure.subplots()
    limit = float(np.abs(matrix).max()) or 1.0
    picture = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set(title=title, xlabel="region", ylabel="region")
    figure.colorbar(picture, ax=axes)
    return figure


def _coordinates(runs: Runs) -> np.ndarray | None:
    """MNI coordinates, mm, of regions whose recordings say them as `x,y,z|x,y,z|...`."""
    said = runs.recordings[0].custom.get("coordinates")
    if not said:
        return None
    of_region = dict(zip(runs.recordings[0].channels, str(said).split("|"), strict=True))
    return np.array([[float(value) for value in of_region[region].split(",")] for region in runs.regions])


def _times(runs: Runs, config: ConnectivityRecipe) -> dict[str, str]:
    window = config.encoder.window
    seconds = sorted({window / run.rate for run in runs.recordings})
    long = f"{seconds[0]:.1f} s" if len(seconds) == 1 else f"{seconds[0]:.1f} to {seconds[-1]:.1f} s as repetition times differ"
    censored = sum(int(series.isnan().all(0).sum()) for series in runs.series)
    return {
        "volumes of a run": ", ".join(map(str, sorted({series.shape[1] for series in runs.series}))),
        "censored volumes": f"{censored:,} of {sum(series.shape[1] for series in runs.series):,}",
        "window": f"{window} volumes, {long}; no frequency below {1 / seconds[0]:.3f} Hz fits into it",
    }


def _facts(inputs: Mapping[str, Path], config: ConnectivityRecipe, runs: Runs) -> Section:
    counts = read_json(inputs["recordings"] / "set" / "set.json")
    about = {
        **counts,
        "regions": len(runs.regions),
        "regions left out": ", ".join(runs.left_out) or "none",
        **({} if runs.are_matrices else _times(runs, config)),
    }
    minutes = [(name, f"{read_json(folder / 'stage.json')['seconds'] / 60:.1f} min") for name, folder in inputs.items()]
    lists = [inputs["recordings"] / "set" / REJECTED, *(inputs[f"model_{name}"] / REJECTED for name in config.models)]
    listed = [(row["id"], row["reason"]) for path in lists if path.is_file() for row in read_jsonl(path)]
    rejected = [list(row) for row in dict.fromkeys(listed)]
    return Section(
        "Facts",
        [
            KeyValues("Runs", list(about.items())),
            KeyValues("Time", minutes),
            Table("Runs that were not used, or not for everything", ["Run", "Reason"], rejected or [["none", ""]]),
            Text("Configuration", yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True), preformatted=True),
        ],
    )

"""A full page of made-up data, shaped like that of a run of the packaged recipe."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from audiossl.evaluation.results import ResultRow
from audiossl.report import AudioClip, Highlight, KeyValues, Picture, ReportContent, Section, Table, Text, TokenClip
from audiossl.report.clip_picture import plot_spectrogram_tokens
from audiossl.report.map_picture import plot_embedding_map
from audiossl.report.maps import map_embeddings
from audiossl.report.pictures import (
    entropy_bits,
    plot_codebook_usage,
    plot_curves,
    plot_entropy,
    plot_layer_weights,
    plot_training,
)
from audiossl.report.results import plot_results, results_tables

SAMPLE_RATE = 16000
PHONE_NAMES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH SIL"
PHONES = list(PHONE_NAMES.split())


def example_results() -> list[ResultRow]:
    values = {
        "frame_phones": {"student": 0.693, "teacher": 0.741, "logmel": 0.612, "random": 0.574},
        "language": {"student": 0.967, "teacher": 0.982, "logmel": 0.871, "random": 0.902},
    }
    return [
        ResultRow(
            "asterisk",
            task,
            model,
            "accuracy",
            value,
            value - 0.015,
            min(value + 0.014, 1.0),
            18234 if task == "frame_phones" else 412,
        )
        for task, models in values.items()
        for model, value in models.items()
    ]


def example_metrics(num_steps: int = 400) -> list[dict]:
    draw = np.random.default_rng(1)
    rows = []
    for step in range(1, num_steps + 1):
        loss, accuracy = 3.1 + 2.4 * np.exp(-step / 90), 0.34 - 0.33 * np.exp(-step / 120)
        rows.append({"step": step, "split": "train", "learning_rate": 2e-3} | _noisy(loss, accuracy, 0.06, draw))
        if step % 50 == 0:
            rows.append({"step": step, "split": "valid"} | _noisy(loss + 0.08, accuracy - 0.01, 0.01, draw))
    return rows


def _noisy(loss: float, accuracy: float, noise: float, draw: np.random.Generator) -> dict:
    return {"loss": loss + noise * draw.normal(), "accuracy": max(accuracy + 0.1 * noise * draw.normal(), 0.0)}


def example_sound(seconds: float = 3.2) -> np.ndarray:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.3 * np.sin(2 * np.pi * (200 * time + 150 * np.sin(2 * time))) * np.sin(np.pi * time / seconds)


def example_clip(seconds: float = 3.2, title: str = "A clip and its tokens") -> TokenClip:
    draw = np.random.default_rng(2)
    bins = np.arange(128)
    time = np.arange(round(100 * seconds))[:, None] / 100
    logmel = -8 + 6 * np.exp(-(((bins - 50 - 30 * np.cos(2 * time)) / 9) ** 2)) + 0.4 * draw.normal(size=(len(time), 128))
    codes = np.repeat(draw.integers(0, 256, (round(10 * seconds), 8)), 5, axis=0).astype(np.uint8)
    bounds = np.linspace(0, seconds, round(11 * seconds))
    phones = [(PHONES[position % 40], float(start), float(end)) for position, (start, end) in enumerate(pairwise(bounds))]
    return TokenClip(
        title,
        plot_spectrogram_tokens(logmel, 100.0, codes, 50.0, phones),
        example_sound(seconds),
        SAMPLE_RATE,
        caption="Phones, log-mel spectrogram, and the eight tokens of each 20 ms frame. Equal colours in a row are equal codes. "
        "Play the sound, or select a place in the picture.",
        alt="Spectrogram of a gliding tone with eight rows of coloured tokens below it.",
    )


def example_counts() -> np.ndarray:
    draw = np.random.default_rng(3)
    counts = draw.multinomial(60000, draw.dirichlet(np.full(256, 1.5)), size=8)
    counts[5, :40] = 0
    return counts


def example_map() -> Figure:
    draw = np.random.default_rng(0)
    centres = 1.2 * draw.normal(size=(40, 24))
    classes = draw.integers(0, 40, 400)
    embedded = map_embeddings(centres[classes] + draw.normal(size=(400, 24)))
    return plot_embedding_map(embedded.points, [PHONES[classes[row]] for row in embedded.chosen])


@cache
def example_content() -> ReportContent:
    """Every kind of part, and text that would break a page that forgot to escape it."""
    results, metrics, counts = example_results(), example_metrics(), example_counts()
    health = [{"step": row["step"], "rankme": 20 + row["step"] / 9, "perplexity": 240 - 90 / row["step"]} for row in metrics]
    weights = {
        "frame phones": np.array([0.04, 0.09, 0.15, 0.21, 0.24, 0.17, 0.10]),
        "language": np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]),
    }
    stages = [["prepare <b>", "done", 0.4, 0.3], ["train", "up to date", 9.8, 3.1]]
    curves = plot_curves(health, {"rankme": "RankMe", "perplexity": "Code perplexity"})
    return ReportContent(
        title="asterisk: masked prediction of teacher tokens",
        lead="A tiny Zipformer learned on 2.2 hours of telephone prompts in five languages, and was measured on prompts that it "
        "never heard.",
        eyebrow="recipes/asterisk/spear.yaml",
        highlights=[
            Highlight("Student, frame phones", "69.3 %", "95 % interval 67.8 to 70.7"),
            Highlight("Over log-mel with context", "+8.1", "points of accuracy"),
            Highlight("Over its random twin", "+11.9", "points of accuracy"),
            Highlight("Time", "13.7 min", "on 2 cores, 3.1 GB"),
        ],
        sections=[
            Section(
                "Results",
                [*results_tables(results), Picture("The same with intervals", plot_results(results), alt="Dots with intervals.")],
                lead="Linear probes on frozen frames of held-out prompts. Layer weights are learned on the training prompts.",
            ),
            Section(
                "Training",
                [
                    Picture("Loss and accuracy", plot_training(metrics), "Pale: each step. Line: moving average.", "Curves."),
                    Picture("Health", curves, alt="Two rising lines."),
                ],
            ),
            Section(
                "Tokens",
                [
                    example_clip(),
                    Picture("Codebook usage", plot_codebook_usage(counts), "Unused codes are lost bits.", "Usage by codebook."),
                    Picture("Entropy", plot_entropy({"train": entropy_bits(counts)}, 256), alt="Bars close to eight bits."),
                ],
                lead="Multi-codebook quantiser of the teacher's frames, 8 codebooks of 256 codes at 50 Hz.",
            ),
            Picture("Layer weights", plot_layer_weights(weights), alt="Weights by layer, largest in the middle."),
            Picture("Map of embeddings", example_map(), "Frames of 40 phones, by t-SNE.", "Forty clusters, named by phone."),
            AudioClip("A tone & its <name>", example_sound(0.5), SAMPLE_RATE, "Half a second."),
            Table("Stages", ["Stage", "State", "Minutes", "Peak GB"], stages),
            KeyValues("The run", [("Seed", 20), ("Frames", 396000), ("Commit", "0123abc"), ("Folder", "runs/Übung <1> & more")]),
            Text("Configuration", "seed: 20\nteacher: hama   # </pre><script>alert(1)</script>", preformatted=True),
            Text("What this does not show", 'One corpus, one seed.\n\nPrompts are read speech by "few" voices & clean.'),
        ],
        footer="audiossl 0.1.0, commit 0123abc, seed 20",
    )

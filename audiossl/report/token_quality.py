"""The page and the section that show the quality of tokens before any pre-training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from audiossl.report.content import Highlight, KeyValues, Part, Picture, ReportContent, Section, Table, Text
from audiossl.report.label_pictures import plot_codebook_correlation, plot_label_agreement
from audiossl.report.page import write_report
from audiossl.report.pictures import plot_codebook_usage
from audiossl.report.quality_pictures import plot_search_errors, plot_spectrum
from audiossl.version import __version__


def write_quality_page(measured: Mapping[str, object], path: Path) -> None:
    """Write the measurements of `TokenQuality.to_json()` as one HTML page."""
    quality = cast(Mapping[str, Any], measured)  # of a JSON file
    about = quality["quantiser"]
    speeds = {row["quality"]: row["frames_per_second"] / quality["frame_rate"] for row in quality["qualities"]}
    speed = speeds.get(quality["quality"])
    seen = "" if quality["held_out"] else " that it may have been fitted to"
    number = quality.get("num_recordings")
    of_recordings = "" if number is None else f" of {number:,} recordings"
    content = ReportContent(
        f"Tokens of {quality['teacher']}",
        f"{about['num_codebooks']} codebooks of {about['codebook_size']} entries ({about['kind']}, id {about['id']}) on "
        f"{quality['num_frames']:,} frames of {about['dim']} channels{of_recordings}{seen}.",
        [quality_section(quality)],
        [
            Highlight("relative error", f"{quality['relative_error']:.1%}", f"bound {quality['shannon_error']:.1%}"),
            Highlight("encoding", f"{speed:,.0f} x real time" if speed else "not timed", f"search: {quality['quality']}, here"),
            Highlight("bits used per frame", f"{sum(quality['entropy']) / math.log(2):.1f}", f"of {_bits(quality):.0f}"),
            Highlight("per hour", f"{quality['bytes_per_hour'] / 1e6:.2f} MB", "of stored tokens"),
        ],
        eyebrow="audiossl tokens report",
        footer=f"audiossl {__version__}",
    )
    write_report(content, path)


def quality_section(quality: Mapping[str, Any]) -> Section:
    """Lay the measurements of `TokenQuality.to_json()` out as the section "Tokens"."""
    entropy = np.array(quality["entropy"]) / math.log(2)
    most = math.log2(quality["quantiser"]["codebook_size"])
    facts = [
        ("relative error", f"{quality['relative_error']:.2%}"),
        ("Shannon bound", f"{quality['shannon_error']:.2%}"),
        ("bits used per frame", f"{entropy.sum():.1f} of {_bits(quality):.0f}"),
        ("entries never chosen", f"{sum(quality['dead_codes'])} of {len(entropy) * quality['quantiser']['codebook_size']}"),
        ("stored per hour", f"{quality['bytes_per_hour'] / 1e6:.2f} MB"),
        ("frames measured", f"{quality['num_frames']:,}"),
    ]
    seen = "that the quantiser was not fitted to" if quality["held_out"] else "that the quantiser may have been fitted to"
    note = (
        "The error is the squared distance to the decoded frame over that to the mean frame, both in units of the spread of each "
        "channel where the quantiser normalises. The bound holds for Gaussian frames of the same covariance; real frames can lie "
        "below it."
    )
    searches = [
        [row["quality"], f"{row['relative_error']:.2%}", f"{row['frames_per_second']:,.0f}",
         f"{row['frames_per_second'] / quality['frame_rate']:,.0f}"]
        for row in quality["qualities"]
    ]  # fmt: skip
    timed = f"On {quality['qualities'][0]['num_frames']:,} of the frames."
    parts: list[Part] = [
        KeyValues(f"Frames {seen}", facts, note),
        Text("Problems", "\n\n".join(quality["problems"]) or "No codebook is dead, and no two quantise the same subspace."),
        Table("Searches on this machine", ["Search", "Relative error", "Frames per second", "Times real time"], searches, timed),
        Picture(
            "Error by search",
            plot_search_errors({row["quality"]: row["relative_error"] for row in quality["qualities"]}, quality["shannon_error"]),
            alt="Relative error of each search compared with Shannon's bound.",
        ),
        Picture(
            "Codebook usage",
            plot_codebook_usage(np.array(quality["counts"])),
            f"Entropy {entropy.mean():.2f} of {most:.0f} bits per codebook on average.",
            "How often each code of each codebook is used.",
        ),
        Picture(
            "Spectrum of the frames",
            plot_spectrum(np.array(quality["variance_shares"]), quality["water_level"]),
            "Axes below the line get no bit.",
            "Share of variance by principal axis.",
        ),
    ]
    if len(entropy) > 1:
        parts.append(
            Picture(
                "Overlap of codebooks, %",
                plot_codebook_correlation(np.array(quality["codebook_correlation"])),
                "100 where two codebooks vary along the same axes, 0 where theirs are orthogonal.",
                "Matrix of the overlap of codebooks.",
            )
        )
    if labels := quality["labels"]:
        figure = plot_label_agreement(np.array(labels["purity"]), np.array(labels["pnmi"]), labels["chance_purity"])
        caption = (
            f"{labels['num_labels']} labels of {labels['name']} on {labels['num_frames']:,} frames; each codebook read alone."
        )
        parts.append(Picture("Agreement with labels", figure, caption, "Purity and mutual information of each codebook."))
    return Section("Tokens", parts, f"Teacher {quality['teacher']} at {quality['frame_rate']:g} frames per second.")


def _bits(quality: Mapping[str, Any]) -> float:
    return quality["quantiser"]["num_codebooks"] * math.log2(quality["quantiser"]["codebook_size"])

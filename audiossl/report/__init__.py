"""Pictures and the HTML page of a run."""

from audiossl.report.content import (
    AudioClip,
    Cell,
    Highlight,
    KeyValues,
    Part,
    Picture,
    ReportContent,
    Section,
    Table,
    Text,
    TokenClip,
)
from audiossl.report.page import write_report

__all__ = [
    "AudioClip",
    "Cell",
    "Highlight",
    "KeyValues",
    "Part",
    "Picture",
    "ReportContent",
    "Section",
    "Table",
    "Text",
    "TokenClip",
    "write_report",
]

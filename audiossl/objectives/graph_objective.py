"""What objectives on the graphs of BOLD runs share."""

from __future__ import annotations

from audiossl.models.connectivity_encoder import ConnectivityEncoder
from audiossl.objectives.objective import Objective
from audiossl.objectives.window_batch import WindowBatch


class GraphObjective(Objective[ConnectivityEncoder, WindowBatch]):
    """An objective on crops of BOLD runs, whose encoder cuts them into windows of connectivity."""

    @classmethod
    def windows_needed(cls, config: object) -> int:
        """How many windows of a crop must keep half of their volumes; `config` is of the class' own `Config`."""
        return 1

"""The type of configs, feature extractors and models of `transformers`, whose attributes differ from family to family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class Foreign:
        """An object that may have any attribute, and be called in any way; only its author knows."""

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: object) -> None: ...
        def __call__(self, *args: object, **kwargs: object) -> Any: ...

else:
    Foreign = object

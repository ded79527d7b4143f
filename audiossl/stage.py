"""A stage of a recipe, and what of its config decides the result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

Names = tuple["str | Names", ...]
# Metadata of a field of an options dataclass that recipes of commit ba6cba2 did not have: it counts where it is not its default.
ADDED: Mapping[str, Any] = {"added": True}
# Metadata of a field of a `StageConfig` that decides nothing, such as the device.
FREE: Mapping[str, Any] = {"counts": False}


def hashed_by(stage: str) -> Mapping[str, object]:
    """Metadata of a field of a `StageConfig` that counts already, since an earlier stage that this one reads is hashed by it."""
    return {"counts": False, "stage": stage}


class StageConfig:
    """What a stage receives, and all that it is hashed by: the base of a frozen dataclass.

    A field counts with what its value decides: a value that has `decides()` with what that returns, a dataclass with all of its
    fields but those that it names in `free_options()` and those that were `ADDED` and are as before. A field does not count that
    is `FREE`, or `hashed_by` an earlier stage. `metadata={"name": ...}` of a field says what messages call it.

    >>> @dataclass(frozen=True)
    ... class Pretrain(StageConfig):
    ...     seed: int
    ...     steps: int = field(default=10, metadata={"name": "training.max_steps"})
    >>> Pretrain(seed=1).decides(), Pretrain(seed=1).names()
    ([1, 10], ('seed', 'training.max_steps'))
    """

    def decides(self) -> object:
        """What goes into the fingerprint, as JSON-able values or dataclasses."""
        return [getattr(self, item.name) for item in self._counting()]

    def names(self) -> Names:
        """Names of its entries, for messages; of an entry that is a list itself, those of its entries."""
        return tuple(self._name(item) for item in self._counting())

    def _counting(self) -> list[dataclasses.Field[Any]]:
        fields = dataclasses.fields(cast(Any, self))
        return [item for item in fields if item.metadata.get("counts", True) and not _is_as_before(item, self)]

    def _name(self, item: dataclasses.Field[Any]) -> str | Names:
        value = getattr(self, item.name)
        return value.names() if isinstance(value, HasNames) else item.metadata.get("name", item.name)


@dataclass(frozen=True)
class Stage:
    """One step of a recipe: a function from a config and input folders to one output folder.

    Attributes:
        name: folder of the stage below the output.
        run: called as `run(out, inputs, config)`, without the config where that is not a `StageConfig`; `out` exists, `inputs`
            maps stage names to their finished folders.
        config: whatever decides the result: a `StageConfig`, or JSON-able values or dataclasses; it goes into the fingerprint,
            but for what a dataclass names in `free_options()`.
        inputs: names of the earlier stages it reads.
        version: raised by hand when the meaning of the stage changes.
        resumable: keep what an interrupted run left in `out`, for the stage to resume from.
        every_rank: whether to run it on all ranks under torchrun, with one `out`; other stages run on the first while the others
            wait.
        names: names of the entries of a config that is a list, for messages; of an entry that is a list itself, those of its
            entries.
        data: folders and files of the user that it reads; another content of them makes it run again.
        added: what decides the result as well, by name, but was in no fingerprint up to commit ba6cba2.
        added_then: reads the `added` of a folder that such a version made; what it does not say is taken as unchanged.
    """

    name: str
    run: Callable[..., None]
    config: Any
    inputs: tuple[str, ...] = ()
    version: int = 1
    resumable: bool = False
    every_rank: bool = False
    names: Names = ()
    data: tuple[Path, ...] = ()
    added: Mapping[str, Any] = field(default_factory=dict)
    added_then: Callable[[Path], Mapping[str, Any]] | None = None

    def __call__(self, out: Path, inputs: Mapping[str, Path]) -> None:
        """Run the stage."""
        self.run(out, inputs, *((self.config,) if isinstance(self.config, StageConfig) else ()))

    @property
    def entries(self) -> Names:
        """Names of the entries of its config."""
        return self.config.names() if isinstance(self.config, StageConfig) else self.names


@runtime_checkable
class Decides(Protocol):
    """A value that is not data itself, and says what of it decides a result."""

    def decides(self) -> object:
        """JSON-able values or dataclasses."""
        ...


@runtime_checkable
class HasNames(Protocol):
    """A value whose `decides()` is a list, and that names its entries for messages."""

    def names(self) -> Names:
        """One name for each entry."""
        ...


@runtime_checkable
class _HasFreeOptions(Protocol):
    def free_options(self) -> frozenset[str]: ...


def fingerprint(stage: Stage, inputs: Mapping[str, str], data: str = "") -> str:
    """Hash what a stage's result depends on: its version, its config, the fingerprints of its inputs, and the data it reads.

    Args:
        stage: stage to be hashed.
        inputs: fingerprints by stage.
        data: digest of the user's files; empty where it reads none.
    """
    parts: list[Any] = [deciding(stage.config)]
    if stage.added or data:  # else as it was up to commit ba6cba2
        parts.append([plain(stage.added), data])
    return hash_parts(stage, parts, inputs)


def earlier_fingerprint(stage: Stage, inputs: Mapping[str, str], config: object = None) -> str:
    """The fingerprint that commit ba6cba2 gave a stage.

    It held every option, also those that decide nothing: these are taken as the config says that was recorded then.
    """
    return hash_parts(stage, [recorded_options(stage.config, config)], inputs)


def hash_parts(stage: Stage, parts: Sequence[object], inputs: Mapping[str, str]) -> str:
    """Hash the name and version of a stage, what decides it, and the fingerprints of its inputs."""
    key = [stage.name, stage.version, *parts, {name: inputs[name] for name in stage.inputs}]
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def plain(value: object) -> object:
    """Turn dataclasses, paths, tuples and mappings into JSON values."""
    return _plain(value, lambda name, item: True)


def deciding(value: object) -> object:
    """The same without the options that decide nothing of a result, which dataclasses name in `free_options()`."""
    return _plain(value, lambda name, item: name not in _free(item))


def recorded_options(value: object, recorded: object) -> object:
    """The same with the options that decide nothing as they were recorded, wherever the two have the same shape."""
    if isinstance(value, Decides) and not isinstance(value, type):
        return recorded_options(value.decides(), recorded)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        known = recorded if isinstance(recorded, Mapping) else {}
        free = _free(value)
        return {
            item.name: known[item.name]
            if item.name in free and item.name in known
            else recorded_options(getattr(value, item.name), known.get(item.name))
            for item in dataclasses.fields(value)
            if item.name in known or not (item.metadata.get("added") and item.name in free)
        }
    if isinstance(value, Mapping):
        known = recorded if isinstance(recorded, Mapping) else {}
        return {str(key): recorded_options(item, known.get(str(key))) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        known = recorded if isinstance(recorded, list) and len(recorded) == len(value) else [None] * len(value)
        return [recorded_options(item, was) for item, was in zip(value, known, strict=True)]
    return plain(value)


def _plain(value: Any, keeps: Callable[[str, Any], bool]) -> Any:
    if isinstance(value, Decides) and not isinstance(value, type):
        return _plain(value.decides(), keeps)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [item.name for item in dataclasses.fields(value) if keeps(item.name, value)]
        return {name: _plain(getattr(value, name), keeps) for name in names}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, keeps) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, keeps) for item in value]
    return str(value) if isinstance(value, Path) else value


def _free(value: Any) -> frozenset[str]:
    named = value.free_options() if isinstance(value, _HasFreeOptions) else frozenset()
    return named | {item.name for item in dataclasses.fields(cast(Any, value)) if _is_as_before(item, value)}


def _is_as_before(item: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field was added since commit ba6cba2 and holds its default."""
    if not item.metadata.get("added"):
        return False
    made = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
    return getattr(value, item.name) == made

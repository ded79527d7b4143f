"""A graph in ONNX Runtime: what it takes and gives, and its runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from audiossl.errors import ConfigError, StoreError, import_extra
from audiossl.options import nearest
from audiossl.teachers.foreign import Foreign

FLOATS = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(double)": torch.float64}


@dataclass(frozen=True)
class Port:
    """An input or output of a graph.

    Attributes:
        name: name.
        shape: size of every axis; None where it is free.
        kind: type, as ONNX Runtime writes it.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str

    def __str__(self) -> str:
        return f"{self.name} ({', '.join('?' if size is None else str(size) for size in self.shape)})"


class OnnxSession(nn.Module):
    """A graph on the CPU as a module; its session is opened when it is needed, so that it can be copied to other processes.

    Args:
        path: the file.

    Raises:
        MissingExtraError: if `onnxruntime` is not installed.
        StoreError: if the file is missing or no graph that can be run.
    """

    file_digest: Tensor  # counts as a weight where encoders are told apart

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._path = Path(path)
        self._opened: Foreign | None = None
        if not self._path.is_file():
            raise StoreError(f"{path} does not exist; expected an ONNX file")
        sha = hashlib.sha256()
        for file in [self._path, *weights_beside(self._path)]:
            with file.open("rb") as opened:
                sha.update(hashlib.file_digest(opened, "sha256").digest())
        self.register_buffer("file_digest", torch.frombuffer(bytearray(sha.digest()), dtype=torch.uint8))
        session = self._session
        self.inputs, self.outputs = ([_port(one) for one in found] for found in (session.get_inputs(), session.get_outputs()))
        self.properties: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_opened": None}

    @property
    def _session(self) -> Foreign:
        opened = self._opened
        if opened is None:
            runtime = import_extra("onnxruntime", "onnx")
            options = runtime.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
            try:
                opened = self._opened = runtime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
            except Exception as error:  # of many kinds, from the runtime
                raise StoreError(
                    f"{self._path} is no ONNX graph that can be run: {str(error).strip().splitlines()[0]}"
                ) from error
        return opened

    def port(self, ports: Sequence[Port], name: str, what: str) -> Port:
        """The input or output of a name.

        Raises:
            ConfigError: if there is none.
        """
        known = {port.name: port for port in ports}
        if name not in known:
            raise ConfigError(f"{self._path} has no {what} '{name}'{nearest(name, known)}; it has {', '.join(map(str, ports))}")
        return known[name]

    def forward(self, feed: Mapping[str, Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Run the graph on tensors of any device; outputs are on the CPU, floats in float32.

        Raises:
            ConfigError: if the runtime refuses.
        """
        kinds = {port.name: port.kind for port in self.inputs}
        arrays = {name: _array(tensor, kinds[name]) for name, tensor in feed.items()}
        try:
            found = self._session.run(list(outputs), arrays)
        except Exception as error:  # of many kinds, from the runtime
            reason = str(error).strip().splitlines()[-1]
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise ConfigError(f"{self._path} cannot be run on {shapes}: {reason}") from error
        tensors = [torch.from_numpy(np.asarray(array)) for array in found]
        return [tensor.float() if tensor.is_floating_point() else tensor for tensor in tensors]


def weights_beside(path: Path) -> list[Path]:
    """The file that holds the weights of a large graph, as exports name it."""
    beside = path.with_name(f"{path.name}.data")
    return [beside] if beside.is_file() else []


def _array(tensor: Tensor, kind: str) -> np.ndarray:
    wanted = FLOATS.get(kind, torch.int32 if kind == "tensor(int32)" else torch.int64)
    return tensor.detach().to("cpu", wanted).contiguous().numpy()


def _port(found: Foreign) -> Port:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in found.shape)
    return Port(found.name, shape, found.type)

"""A part of a file that reads as a file of its own."""

from __future__ import annotations

import io


class FileSlice(io.RawIOBase):
    """The bytes `start` to `stop` of an open file, from which nothing else may read at the same time.

    >>> FileSlice(io.BytesIO(b"0123456789"), 2, 5).read()
    b'234'
    """

    def __init__(self, file: io.BufferedIOBase, start: int, stop: int) -> None:
        super().__init__()
        self._file, self._start, self._size = file, start, stop - start
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, and return the new position in the slice."""
        self._position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence])
        return self._position

    def tell(self) -> int:
        """The position in the slice."""
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as the slice reaches; the number of bytes read."""
        view = memoryview(buffer).cast("B")  # pyright: ignore[reportArgumentType]
        view = view[: max(0, min(len(view), self._size - self._position))]
        self._file.seek(self._start + self._position)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

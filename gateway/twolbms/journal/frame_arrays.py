"""The columns of a block of frames as numpy arrays. Needs the extra `bulk` (numpy); nothing else in here does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twolbms.journal.frames import EXTENDED, FrameColumns


class FrameArrays(NamedTuple):
    """Frames, one a row. `bus` indexes `buses`; `data` has a row of bytes each, padded with zeros to the longest.

    `time_ns` and `can_id` are int64, the id without the mark of an extended one; `extended` is bool.
    """

    time_ns: NDArray[Any]
    bus: NDArray[Any]
    can_id: NDArray[Any]
    extended: NDArray[Any]
    length: NDArray[Any]
    data: NDArray[np.uint8]
    buses: list[str]


def arrays_of(columns: FrameColumns) -> FrameArrays:
    """The arrays of a block; some are views of its bytes, and not to be written to."""
    keys = np.frombuffer(columns.keys, columns.keys.typecode).astype(np.int64)
    extended = keys < 0
    keys[extended] += EXTENDED
    times_ns = np.frombuffer(columns.times.steps, columns.times.steps.typecode).cumsum(dtype=np.int64)
    times_ns += columns.times.start
    length = np.frombuffer(columns.lengths, columns.lengths.typecode)
    return FrameArrays(times_ns, np.frombuffer(columns.bus, columns.bus.typecode), keys, extended, length,
                       _padded(columns, length), columns.buses)


def _padded(columns: FrameColumns, length: NDArray[Any]) -> NDArray[np.uint8]:
    flat = np.frombuffer(columns.rows, np.uint8)
    widest = int(length.max(initial=0))
    if flat.size == widest * length.size:  # padded already, or all of one length
        return flat.reshape(length.size, widest)
    padded = np.zeros((length.size, widest), np.uint8)
    padded[np.arange(widest) < length[:, None]] = flat
    return padded

"""Many frames as numpy columns: what readers of logs give, what the journal gives, and what bulk decoding takes.

Knows no format, no DBC and no journal. Needs the extra `bulk` (numpy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass
class FrameTable:
    """Frames, one a row. `bus` indexes `buses`; `data` (rows of bytes, as wide as the longest) is padded with zeros.

    `time_ns` is int64, `can_id` int64 without the bit that marks an extended id, `extended` bool, `kind` 0 for a data
    frame (1 error, 2 remote), `length` the number of data bytes.
    """

    time_ns: Array
    bus: Array
    can_id: Array
    extended: Array
    kind: Array
    length: Array
    data: Array
    buses: list[str]

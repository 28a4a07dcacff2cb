"""DBC files made into plain Python readers: compiled once at start, then no cantools on the way of a frame.

Knows bits, scales and names. Knows no bus, no clock and no meaning of a message.
"""

from twolbms.decode.database import CompiledDatabase, compile_database
from twolbms.decode.encode import EncodeRefused
from twolbms.decode.message import CompiledMessage, Values, ValuesOrNone
from twolbms.decode.parse import DatabaseError
from twolbms.decode.refused import Refused
from twolbms.decode.signals import Signal

__all__ = [
    "CompiledDatabase",
    "CompiledMessage",
    "DatabaseError",
    "EncodeRefused",
    "Refused",
    "Signal",
    "Values",
    "ValuesOrNone",
    "compile_database",
]

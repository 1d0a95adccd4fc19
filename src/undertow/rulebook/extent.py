"""How much a TOML file may hold: its bytes, its values, how deep they lie, how many digits a number has.

Holds these limits and the check of what was read. Knows no model: a figure's own bounds are its model's.

Units: bytes, values, levels, digits. Invariant: what passes is small enough for every later check to take
well under a second, and no number in it is too long to be shown.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

MOST_BYTES = 512 * 1024  # the largest case that ships has 90 KiB
MOST_VALUES = 20_000  # in all of a file
MOST_ROWS = 1_000  # of one list or table
MOST_LEVELS = 16  # tables and rows of lists within each other
MOST_DIGITS = 40  # before and after the point together, zeros of a power of ten included
_MOST_INTEGER: int = 10**MOST_DIGITS


def parsed(text: str) -> dict[str, Any]:
    """TOML as a dictionary, decimals exact. ValueError with a sentence if it is none, or holds too much."""
    try:
        data = tomllib.loads(text, parse_float=_exact)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # the interpreter refuses to read integers of thousands of digits
        raise ValueError(_too_long("")) from None
    require_extent(data)
    return data


def require_extent(data: Mapping[str, Any]) -> None:
    """ValueError if a table holds more values, deeper ones or longer numbers than a file may."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(data, ())]
    seen = 0
    while waiting:
        value, place = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ValueError(f"holds more than {MOST_VALUES} values; a case or rulebook has a few thousand")
        if len(place) > MOST_LEVELS:
            raise ValueError(_too_deep())
        entries: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            entries = value.items()
        elif isinstance(value, list):
            entries = enumerate(value)
        if isinstance(value, Mapping | list) and len(value) > MOST_ROWS:
            raise ValueError(f"{'.'.join(place)}: has {len(value)} entries; give at most {MOST_ROWS}")
        if isinstance(value, int | Decimal) and not _is_short(value):
            raise ValueError(_too_long(".".join(place)))
        waiting.extend((entry, (*place, str(key))) for key, entry in entries)


def _exact(text: str) -> Decimal:
    return Decimal(text) if len(text) <= 4 * MOST_DIGITS else Decimal("1e9999")  # refused, and quick to tell


def _is_short(number: int | Decimal) -> bool:
    if isinstance(number, int):
        return -_MOST_INTEGER < number < _MOST_INTEGER
    if not number.is_finite() or number == 0:
        return True
    digits: int = len(number.as_tuple().digits)
    return digits <= MOST_DIGITS and abs(number.adjusted()) < MOST_DIGITS


def _too_deep() -> str:
    return f"nests more than {MOST_LEVELS} levels of tables or lists; a case or rulebook has six"


def _too_long(place: str) -> str:
    where = f"{place}: " if place else ""
    return f"{where}a number has more than {MOST_DIGITS} digits; write fewer"

"""Numbers, times and keys as people read them: one way of writing for tables and reports.

Holds no layout. A minus sign is a real one; four figures are enough for a headline, cents and micro-dollars
are kept where a sum is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING = "–"
_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_SUFFIXES = ("_ppm", "_ppb", "_usd", "_seconds", "_ms")


def figures(value: float, digits: int = 3) -> str:
    """A number with so many significant figures, thousands separated."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        text = f"{rounded:,.0f}"
    elif abs(rounded) >= 1e-4:
        decimals = max(0, digits - 1 - _magnitude(rounded))
        text = f"{rounded:,.{decimals}f}"
    else:
        text = f"{rounded:.{digits - 1}e}"
    return text.replace("-", "−")


def dollars(value: float | None, sign: bool = False) -> str:
    """An amount as a headline: $1.23 billion, −$4,500."""
    if value is None:
        return MISSING
    mark = "−" if value < 0 else "+" if sign and value > 0 else ""
    size = abs(value)
    for scale, word in _SCALES:
        if size >= scale * 0.9995:
            return f"{mark}${figures(size / scale)} {word}"
    if size >= 100 or size == 0:
        return f"{mark}${figures(size, 4) if size >= 1000 else figures(size)}"
    if size < 0.0005:  # as many micro-dollars as there are, not a power of ten
        return f"{mark}${size:.6f}" if size >= 5e-7 else "$0"
    return f"{mark}${size:.2f}" if size >= 1 else f"{mark}${figures(size)}"


def span(first: str, last: str) -> str:
    """From one value in words to another: a unit that both have is said once."""
    (one, _, unit), (_, _, other) = first.partition(" "), last.partition(" ")
    shared = unit == other and unit and not any(letter.isdigit() for letter in unit)
    return f"{one if shared else first} to {last}"


def exact_units(amount: int, decimals: int) -> str:
    """An amount of smallest units in full: 1,234,567.890123."""
    whole, rest = divmod(abs(amount), 10**decimals)
    text = f"{whole:,}.{rest:0{decimals}d}" if decimals else f"{whole:,}"
    return f"−{text}" if amount < 0 else text


def in_unit(value: float | None, unit: str, sign: bool = False) -> str:
    """A number with its unit as a headline."""
    if value is None:
        return MISSING
    if unit == "USD":
        return dollars(value, sign)
    plus = "+" if sign and value > 0 else ""
    if unit in ("accounts", "events"):
        return plus + _count_text(value)
    if unit == "s":
        return plus + duration(value)
    if unit == "%":
        return f"{_tenths(value, sign)} %"
    if unit in ("times", "ratio"):
        return f"{plus}{value:.{2 if abs(value) >= 1 else 3}f} {unit}".replace("-", "−")
    return f"{plus}{figures(value)} {unit}"


def counted(count: int, noun: str) -> str:
    """A number of things: 1 account, 3,000 accounts."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def duration(seconds: float) -> str:
    """Seconds as 41 min 30 s."""
    mark = "−" if seconds < 0 else ""
    whole = abs(seconds)
    if round(whole, 1) < 60:
        return f"{mark}{round(whole, 3 if whole < 1 else 1):g} s"
    minutes, rest = divmod(round(whole), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return mark + " ".join(f"{count} {unit}" for count, unit in parts if count)


def distance_text(value: float, unit: str, sign: bool = False) -> str:
    """A difference between two numbers of a unit; between percentages it is points."""
    return f"{_tenths(value, sign)} points" if unit == "%" else in_unit(value, unit, sign)


def _tenths(value: float, sign: bool) -> str:
    """A number with one decimal; what rounds to nothing has no sign."""
    rounded = round(value, 1) + 0.0
    return f"{rounded:{'+' if sign and rounded else ''}.1f}".replace("-", "−")


def _count_text(value: float) -> str:
    """A number of things; a mean of few has a decimal, so that a third of one is not none."""
    decimals = 0 if value == round(value) or abs(value) >= 100 else 1
    return f"{value:,.{decimals}f}".replace("-", "−")


def label(key: str) -> str:
    """A TOML key as words: price_band_ppm -> price band."""
    for suffix in _SUFFIXES:
        key = key.removesuffix(suffix)
    return re.sub(r"[_-]+", " ", key).strip()


def value_text(key: str, value: Any) -> str:
    """A value as its key says it is meant: parts per million as per cent, seconds as a duration."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return MISSING
    if isinstance(value, int | float):
        return _number_text(key, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(value_text(key, item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{label(str(name))} {value_text(str(name), item)}" for name, item in value.items())
    return str(value)


def _number_text(key: str, value: float) -> str:
    if key.endswith("_ppm"):
        return f"{value / 1e4:g} %".replace("-", "−")
    if key.endswith("_usd"):
        return dollars(value)
    if key.endswith("_seconds"):
        return duration(value)
    if key.endswith("_ms"):
        return duration(value / 1000)
    text = f"{value:,.0f}" if abs(value) >= 10_000 and value == int(value) else f"{value:,}"
    return text.removesuffix(".0").replace("-", "−")


def _magnitude(value: float) -> int:
    """The power of ten of the first figure."""
    return int(f"{abs(value):e}".partition("e")[2])


@dataclass(frozen=True)
class Section:
    """One table of a case or rulebook: its name and its values in words."""

    title: str
    rows: tuple[tuple[str, str], ...]


def sections(content: Mapping[str, Any], skip: Sequence[str] = ()) -> list[Section]:
    """A case or rulebook as sections: plain keys first, then each table; nested tables join their names."""
    plain = [(label(key), value_text(key, value)) for key, value in content.items() if not _is_table(value)]
    plain = [row for row, key in zip(plain, _plain_keys(content), strict=True) if key not in skip]
    found = [Section("", tuple(plain))] if plain else []
    for key, value in content.items():
        if key in skip or not _is_table(value):
            continue
        found.append(Section(label(key), tuple(_rows(value, ""))))
    return [section for section in found if section.rows]


def _plain_keys(content: Mapping[str, Any]) -> list[str]:
    return [key for key, value in content.items() if not _is_table(value)]


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, Sequence) and bool(value) and isinstance(value[0], Mapping)


def _rows(value: Any, prefix: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        named = {
            str(key): item
            for key, item in value.items()
            if key not in ("source", "inferred") and item is not None
        }
        rows = []
        for key, item in named.items():
            name = f"{prefix} › {label(key)}" if prefix else label(key)
            rows += _rows(item, name) if _is_table(item) else [(name, value_text(key, item))]
        return rows
    return [
        (f"{prefix} {number}".strip(), value_text("", _without_sources(item)))
        for number, item in enumerate(value, start=1)
    ]


def _without_sources(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in item.items() if key not in ("source", "inferred") and value is not None
    }

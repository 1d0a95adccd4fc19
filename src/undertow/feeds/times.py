"""Moments as text and as numbers.

Holds the one conversion between ISO 8601 text and whole milliseconds since 1970 (UTC). Holds no clock.
Units: milliseconds. Invariant: `utc_milliseconds(utc_text(t)) == t` for every t between the years 1970 and
9999.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def utc_milliseconds(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 moment with its offset; ValueError says what is wrong."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write 2025-10-10T20:50:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write 2025-10-10T20:50:00Z")
    return (moment - _EPOCH) // _MILLISECOND


def utc_text(milliseconds: int) -> str:
    """2025-10-10T20:50:00Z, with a fraction only where there is one."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1_000 else "seconds")[:-6] + "Z"

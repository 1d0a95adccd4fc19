"""The list of measures, how their arguments are read, and how a tape's clock and money are.

Holds no measure. A measure is a function `(tape, ...) -> Measured`; the names and defaults of its
parameters are the arguments a fact's query may give. `start`, `end` and `at` are times: "21:20",
"21:20:30", a full UTC time, or seconds since the start of the case; queries write the first two as `from`
and `to`. `instruments` is a list of names.

Units of a measured value, by dimension: percent, ratio, US dollars, seconds (time: since the start of the
case), count.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from undertow.case.facts import as_utc
from undertow.errors import DataError, InputError
from undertow.tape import Tape
from undertow.tape.folder import RUN_FILE
from undertow.tape.schema import quoted

# SQL for the clock minute in which a sample's second lies. Samples and the engine's own events carry the end
# of their second, fills of orders its start.
MINUTE = "(time_ms - 1) // 60000"
_TIMES = {"start", "end", "at", "base_start", "base_end"}
_ALIASES = {
    "from": "start",
    "to": "end",
    "base_from": "base_start",
    "base_to": "base_end",
    "class": "group_of",
}
_SPELLED = {name: alias for alias, name in _ALIASES.items()}
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?")

PRICES = ("last", "mark", "index", "bid", "ask", "outside")
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Measured:
    """A number taken from a tape and the SQL that gives it; None where the tape cannot say."""

    value: float | None
    query: str


@dataclass(frozen=True)
class Measurement:
    """A registered measure."""

    name: str
    dimension: str
    function: Callable[..., Measured]

    @property
    def defaults(self) -> dict[str, Any]:
        """Arguments and their defaults; REQUIRED where there is none."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}


_MEASURES: dict[str, Measurement] = {}


def measure(dimension: str) -> Callable[[Callable[..., Measured]], Callable[..., Measured]]:
    """Register a function as a measure under its own name."""

    def register(function: Callable[..., Measured]) -> Callable[..., Measured]:
        _MEASURES[function.__name__] = Measurement(function.__name__, dimension, function)
        return function

    return register


def measure_names() -> tuple[str, ...]:
    """All measures, in alphabetical order."""
    return tuple(sorted(_MEASURES))


def measurement(name: str) -> Measurement:
    """A registered measure; raises InputError with a hint when there is none of that name."""
    found = _MEASURES.get(name)
    if found is not None:
        return found
    near = get_close_matches(name, _MEASURES, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(measure_names())}"
    raise InputError(f"no measure is called {name!r}; {hint}")


def query_faults(name: str, arguments: Mapping[str, Any], dimension: str | None = None) -> list[str]:
    """What is wrong with a query, in words; empty when it can be put to a tape."""
    try:
        found = measurement(name)
    except InputError as error:
        return [str(error)]
    faults = []
    defaults = found.defaults
    given = {_ALIASES.get(key, key): key for key in arguments}
    for argument, key in given.items():
        if argument not in defaults:
            takes = ", ".join(_SPELLED.get(known, known) for known in defaults) or "no arguments"
            faults.append(f"measure {name!r} has no argument {key!r}; it takes {takes}")
    for argument, default in defaults.items():
        if default is REQUIRED and argument not in given:
            faults.append(f"measure {name!r} needs the argument {_SPELLED.get(argument, argument)!r}")
        elif argument in given and argument in _TIMES and not _is_time(arguments[given[argument]]):
            key = given[argument]
            faults.append(
                f"{key!r} must be a time such as '21:20' or seconds since the start, not {arguments[key]!r}"
            )
    names = arguments.get("instruments")
    if "instruments" in defaults and names is not None and not _is_names(names):
        faults.append(f"'instruments' must be a list of names such as ['BTC-PERP'], not {names!r}")
    if dimension is not None and dimension != found.dimension:
        faults.append(f"measure {name!r} gives a {found.dimension}, the fact's unit is for a {dimension}")
    return faults


def measured(tape: Tape, name: str, arguments: Mapping[str, Any] | None = None) -> Measured:
    """Take a measure from a tape. Raises InputError when the query does not fit the measure or the run.

    A moment after the run's end does not fit it: what the tape says last is not what was then.
    """
    given = dict(arguments or {})
    faults = query_faults(name, given)
    if faults:
        raise InputError("; ".join(faults))
    found = _MEASURES[name]
    values: dict[str, Any] = {}
    for key, value in given.items():
        argument = _ALIASES.get(key, key)
        values[argument] = seconds_into(tape, value) if argument in _TIMES else value
    _require_reached(tape, {key: values[key] for key in values if key in _TIMES})
    for instrument in (values.get("instrument"), *(values.get("instruments") or ())):
        if instrument is not None:
            require_instrument(tape, str(instrument))
    return found.function(tape, **values)


def has_end(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a query says until when it looks; the others look until the run is over."""
    last = "end" if "end" in measurement(name).defaults else "at"
    return last in {_ALIASES.get(key, key) for key in arguments}


def _require_reached(tape: Tape, moments: Mapping[str, float]) -> None:
    """Raise InputError when a query asks for what the run did not live to see."""
    record = tape.record
    if "steps_done" not in record or not moments:
        return
    if "step_seconds" not in record:
        wrong = "is missing, though steps_done is there; run the case again"
        raise DataError(f"{tape.folder.path / RUN_FILE}: step_seconds: {wrong}")
    end_s = float(record["steps_done"]) * float(record["step_seconds"])
    last = max(moments, key=lambda key: moments[key])
    if moments[last] > end_s:
        ends, asked = (start_of(tape) + timedelta(seconds=each) for each in (end_s, moments[last]))
        key = _SPELLED.get(last, last)
        raise InputError(f"the run ends at {ends:%H:%M:%S} UTC, before {key} = {asked:%H:%M:%S}")


def start_of(tape: Tape) -> datetime:
    """When the case began; raises DataError when run.json does not say."""
    given = str(tape.record.get("start_utc", ""))
    try:
        return as_utc(datetime.fromisoformat(given))
    except ValueError:
        found = f"is {given!r}" if given else "is missing"
        raise DataError(
            f"{tape.folder.path / RUN_FILE}: start_utc: {found}; must be a time such as "
            "'2025-10-10T20:40:00Z'; run the case again"
        ) from None


def seconds_into(tape: Tape, moment: Any) -> float:
    """Seconds between the case's start and a moment; a clock time before the start means the next day."""
    if isinstance(moment, int | float):
        return float(moment)
    start = start_of(tape)
    if isinstance(moment, datetime):
        return (as_utc(moment) - start).total_seconds()
    clock = _CLOCK.fullmatch(str(moment))
    if clock is None:
        return (as_utc(datetime.fromisoformat(str(moment))) - start).total_seconds()
    hour, minute, second = (int(part or 0) for part in clock.groups())
    when = start.replace(hour=hour % 24, minute=minute, second=second, microsecond=0)
    if when < start:
        when += timedelta(days=1)
    return (when - start).total_seconds()


def require_instrument(tape: Tape, name: str) -> None:
    """Raise InputError when a run does not list an instrument."""
    names = [row[0] for row in tape.rows("select name from instruments order by instrument")]
    if name not in names:
        near = get_close_matches(str(name), names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it lists {', '.join(names) or 'none'}"
        raise InputError(f"this run has no instrument {name!r}; {hint}")


def choose(value: str, allowed: Mapping[str, Any], what: str) -> Any:
    """What a word stands for; raises InputError with the list when it stands for nothing."""
    if value not in allowed:
        raise InputError(f"{what} must be one of {', '.join(allowed)}, not {value!r}")
    return allowed[value]


def money_unit(tape: Tape) -> int:
    """Smallest units of the settlement asset in one whole (1,000,000 for micro-dollars)."""
    return int(10 ** int(tape.record.get("settlement", {}).get("decimals", 6)))


def window(start: float, end: float | None, column: str = "time_ms") -> str:
    """SQL for rows from `start` to `end`, both included, seconds since the start of the case."""
    after = f"{column} >= {round(start * 1000)}"
    return after if end is None else f"{after} and {column} <= {round(end * 1000)}"


def within(start: float, end: float | None) -> str:
    """SQL for samples of the seconds from `start` to `end`: the sample at `start` tells of the one before."""
    return window(start + 0.001, end)


def among(instruments: Sequence[str] | None, group_of: str | None) -> str:
    """SQL for several instruments: by name, else contracts of a margin class, else all contracts."""
    if instruments is not None:
        return f"name in ({', '.join(quoted(name) for name in instruments)})"
    return "kind != 'spot'" if group_of is None else f"kind != 'spot' and class = {quoted(group_of)}"


def price_column(field: str) -> str:
    """The column of `series` that a price field names; raises InputError for any other word."""
    return str(choose(field, {name: f"{name}_ticks" for name in PRICES}, "field"))


def taken(tape: Tape, query: str) -> Measured:
    """The single number of a query."""
    value = tape.value(query)
    return Measured(None if value is None else float(value), query)


def only(instrument: str | None) -> str:
    """SQL for one instrument by name, or for all."""
    return "true" if instrument is None else f"name = {quoted(instrument)}"


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(name, str) for name in value)


def _is_time(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float | datetime):
        return True
    clock = _CLOCK.fullmatch(str(value))
    if clock is not None:
        return int(clock.group(1)) < 24
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True

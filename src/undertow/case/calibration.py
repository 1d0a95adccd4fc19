"""Free parameters of a case: which figures a calibration may choose, and what forbids one.

Holds the checks on `[[calibration]]` and the reading of a figure by its dotted key. Chooses nothing (`lab`
does).

A free parameter is a number of the crowd or of the weather, the same for all coins: a row that belongs to one
contract is refused, since one parameter a coin would reproduce any low. At most twelve, and never more than
there are facts marked calibrate. Units: those of the key. Invariant: a case that validates can be run at both
ends of every range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from decimal import Decimal
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from undertow.case.amounts import scale_of
from undertow.case.checks import Finding, number_of, rows_of
from undertow.case.faults import findings_of
from undertow.case.model import Case, Crowd
from undertow.case.overrides import write
from undertow.crowd.scale import amount_of, share_of
from undertow.errors import InputError
from undertow.rulebook.faults import Loc, child_of, suggest
from undertow.world.weather import WeatherRules

MOST_PARAMETERS = 12
PARTS: Mapping[str, type[BaseModel]] = {"crowd": Crowd, "weather": WeatherRules}


def calibration_faults(data: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a case's free parameters."""
    rows = rows_of(data, "calibration")
    facts = rows_of(data, "facts")
    fitted = [fact for fact in facts if fact.get("calibrate") is True]
    if len(rows) > MOST_PARAMETERS:
        wrong = f"has {len(rows)} free parameters; free at most {MOST_PARAMETERS}"
        yield ("calibration",), f"{wrong}, with more a fit says nothing"
    elif len(rows) > len(fitted):
        wrong = f"has {len(rows)} free parameters, and facts marked calibrate: {len(fitted)}"
        yield ("calibration",), f"{wrong}; free fewer parameters or mark more facts"
    seen: set[str] = set()
    known = {str(fact.get("id")): fact for fact in facts}
    for number, row in enumerate(rows):
        place: Loc = ("calibration", number)
        key = row.get("key")
        if isinstance(key, str) and key:
            if key in seen:
                yield (*place, "key"), f"is {key!r} again; give every parameter one row"
            seen.add(key)
            yield from _key(data, key, row, place)
        yield from _range(row, place)
        names = row.get("identified_by")
        for name in names if isinstance(names, list | tuple) else ():
            if name not in known:
                wrong = f"names {name!r}, which [[facts]] does not have"
                yield (*place, "identified_by"), f"{wrong}; {suggest(str(name), known)}"
            elif known[name].get("calibrate") is not True:
                wrong = f"names {name!r}, which is not marked calibrate"
                yield (*place, "identified_by"), f"{wrong}; a fit sees only facts that are"


def figure_of(case: Case, key: str) -> float:
    """The number of a case at a dotted key: as stated, or by the venue's size. InputError where none is."""
    here: Any = case
    for part in key.split("."):
        owner = here
        if isinstance(here, BaseModel) and part in type(here).model_fields:
            here = getattr(here, part)
        elif isinstance(here, tuple) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            raise InputError(f"{key}: is no figure of the case; write for example crowd.makers.trip_loss")
    if here is None and isinstance(owner, BaseModel) and share_of(type(owner), part) is not None:
        return amount_of(owner, part, scale_of(case))
    if isinstance(here, bool) or not isinstance(here, int | float | Decimal):
        raise InputError(f"{key}: is {here!r}, no number; only numbers can be moved")
    return float(here)


def is_whole(key: str) -> bool:
    """Whether the figure at a dotted key is a whole number."""
    annotation: Any = Case
    for part in key.split("."):
        annotation = child_of(annotation, part)
    return _kind(annotation) is int


def _kind(annotation: Any) -> Any:
    """What a figure is, also where it may be left to the venue's size."""
    stated = [part for part in get_args(annotation) if part is not NoneType]
    return stated[0] if stated else annotation


def _range(row: Mapping[str, Any], place: Loc) -> Iterator[Finding]:
    low, high = number_of(row.get("low")), number_of(row.get("high"))
    if low is None or high is None:
        return
    if low >= high:
        yield (*place, "high"), f"is {high}, not above low {low}; give a range"
    if row.get("scale", "log") == "log" and low <= 0:
        yield (*place, "low"), f'is {low}, which has no logarithm; use scale = "linear" or a low above zero'


def _key(data: Mapping[str, Any], key: str, row: Mapping[str, Any], place: Loc) -> Iterator[Finding]:
    """The key must name a number of the crowd or weather that no single contract owns, legal at both ends."""
    part = key.partition(".")[0]
    if part not in PARTS or "." not in key:
        yield (*place, "key"), f"is {key!r}; a free parameter is a figure of crowd. or weather."
        return
    named: Any = Case
    for word in key.split("."):
        named = child_of(named, word)
    if isinstance(named, type) and issubclass(named, BaseModel):
        yield (*place, "key"), f"is {key!r}, which is no number; free a figure"
        return
    for end in ("low", "high"):
        value = number_of(row.get(end))
        if value is None:
            continue
        trial = {part: deepcopy(data.get(part, {}))}
        if not isinstance(trial[part], dict):
            return
        try:
            where = write(trial, key, value)
        except InputError as error:
            yield (*place, "key"), f"is {key!r}: {error}"
            return
        contract = _contract(data, trial, where)
        if contract:
            wrong = f"is {key!r}, a figure of {contract!r} alone"
            yield (*place, "key"), f"{wrong}; a free parameter is the same for all coins"
            return
        annotation: Any = Case
        for step in where:
            annotation = child_of(annotation, step)
        if annotation is None:
            yield (*place, "key"), f"is {key!r}, which no case has; look it up in docs/how-to/cases.md"
            return
        if _kind(annotation) not in (int, float):
            yield (*place, "key"), f"is {key!r}, which is no number; free a figure"
            return
        fault = _refused(part, trial[part], where)
        if fault:
            yield (*place, end), fault


def _refused(part: str, table: dict[str, Any], where: Loc) -> str:
    """Why the model refuses the figure; faults elsewhere in the table are reported where they stand."""
    try:
        PARTS[part].model_validate(table)
    except ValidationError as error:
        return next((text for place, text in findings_of(error, (part,)) if place == where), "")
    return ""


def _contract(data: Mapping[str, Any], trial: dict[str, Any], where: Loc) -> str:
    """The contract whose row a place stands in; empty where it is a spot asset's or nobody's."""
    here: Any = trial
    kinds = {row.get("name"): row.get("kind") for row in rows_of(data, "instruments")}
    for step in where[:-1]:
        here = here[step]
        name = here.get("instrument") if isinstance(here, Mapping) else None
        if name is not None and kinds.get(name) != "spot":
            return str(name)
    return ""

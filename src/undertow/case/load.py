"""Reading case files: by name from the library or by path, with dotted overrides.

Holds the reading and the order of the checks. Holds no model and no check.

Invariant: every fault is reported at once, each as `FILE: KEY: what is wrong; what would be right`; where an
override is at fault, FILE is the word `override` and KEY what was written there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from undertow.case.beside import PLACE, moved, second_table
from undertow.case.calibration import calibration_faults
from undertow.case.checks import Finding, rows_of
from undertow.case.extend import extended
from undertow.case.facts import Fact
from undertow.case.faults import findings_of, mistyped, ordered
from undertow.case.model import Case, flat
from undertow.case.overrides import elsewhere, typed, write
from undertow.case.rulebooks import beside, change_faults, find_rulebook, is_path, name_faults, rulebook_of
from undertow.case.shipped import EXTENDS, case_names, case_path
from undertow.errors import CaseError, InputError, RulebookError
from undertow.rulebook.extent import MOST_LEVELS
from undertow.rulebook.faults import Loc, dotted, read_toml, shown
from undertow.rulebook.model import Rulebook

__all__ = ["case_names", "case_path", "check_case", "load_case", "rulebook_of"]

RULEBOOK_PREFIX = "rulebook."
OVERRIDE = "override"
NO_CRASH = ("mechanisms", "facts", "calibration")  # what a crash does not consist of


def load_case(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> Case:
    """A validated case with dotted overrides written over it (`crowd.makers.x = 1`, `rulebook.mark.y = 2`).

    Keys that start with `rulebook.` change the rulebook's figures; `rulebook` alone names another one. Values
    may be text of a command line, read as TOML. CaseError lists every fault, one a line.
    """
    reading = _read(name_or_path, overrides or {})
    if reading.case is None or reading.faults:
        raise CaseError("\n".join(reading.faults))
    return reading.case


def check_case(
    name_or_path: str | Path, queries: Callable[[Sequence[Fact], str], list[str]] | None = None
) -> tuple[Case | None, list[str]]:
    """A case, if it can be read, and every fault of its file; `queries` looks at the facts of a place too."""
    try:
        reading = _read(name_or_path, {})
    except CaseError as error:
        return None, str(error).splitlines()
    places = {"facts": reading.data}
    if isinstance(reading.data.get(PLACE), dict):
        places[f"{PLACE}.facts"] = reading.data[PLACE]
    wrong = [fault for place, table in places.items() if queries for fault in _asked(table, place, queries)]
    found = [f"{reading.label}: {fault}" for fault in wrong]
    return reading.case, [*reading.faults, *found]


class _Reading(NamedTuple):
    """A file as far as it could be understood."""

    label: str
    data: dict[str, Any]
    case: Case | None
    faults: list[str]


class _Written(NamedTuple):
    """An override that found its place: as it was given, and where it was written."""

    parts: tuple[str, ...]
    place: Loc


def _read(name_or_path: str | Path, overrides: Mapping[str, Any]) -> _Reading:
    path = case_path(name_or_path)
    label = path.name if str(name_or_path) in case_names() else str(path)
    try:
        data = read_toml(path, label)
    except InputError as error:
        raise CaseError(str(error)) from None
    named = data.get("rulebook")
    for table in (data, data.get(PLACE)):
        if isinstance(table, dict):
            _plain_queries(table)
            if isinstance(table.get("rulebook"), str):
                table["rulebook"] = beside(table["rulebook"], path.parent)
    data = _extended(data, path, label)
    named = data.get("rulebook") if named is None else named
    changes, faults, written = _override(data, overrides)
    case, findings = _validate(data)
    rulebook, more = _with_rulebook(data, changes, str(overrides.get("rulebook", named)))
    if isinstance(data.get(PLACE), dict):
        second = second_table(data)[0]
        more += moved(_with_rulebook(second, [], str(second.get("rulebook")))[1], more)
    findings = ordered([*findings, *more, *calibration_faults(data)])
    if rulebook is not None:
        findings += _mechanism_faults(data, rulebook, findings)
    faults += [_sentence(label, place, text, written) for place, text in findings]
    return _Reading(label, data, case, list(dict.fromkeys(faults)))


def _extended(data: dict[str, Any], path: Path, label: str) -> dict[str, Any]:
    """The file with the tables of the case it extends, if it names one; that case must stand by itself."""
    name = data.get(EXTENDS, "")
    if name == "":
        return data
    wrong = f"{label}: {EXTENDS}: is {shown(name)}"
    if not isinstance(name, str):
        raise CaseError(f"{wrong}; must be a case's name, or the path of its file seen from this one")
    place = str(path.parent / name) if is_path(name) else name
    try:
        theirs = read_toml(case_path(place), name).get(EXTENDS)
    except InputError as error:
        raise CaseError(f"{label}: {EXTENDS}: {error}") from None
    if theirs:
        raise CaseError(f"{wrong}, which extends {shown(theirs)} itself; name a case that stands by itself")
    base = _read(place, {})
    if base.faults:
        raise CaseError(f"{wrong}, which is not valid: {base.faults[0]}")
    return extended(data, base.data)


def _plain_queries(data: dict[str, Any]) -> None:
    """Measures count in floats; everything else in a file keeps its decimals."""
    facts = data.get("facts")
    for fact in facts if isinstance(facts, list) else ():
        query = fact.get("query") if isinstance(fact, dict) else None
        if isinstance(query, dict):
            fact["query"] = {
                key: float(value) if isinstance(value, Decimal) else value for key, value in query.items()
            }


def _override(
    data: dict[str, Any], overrides: Mapping[str, Any]
) -> tuple[list[str], list[str], list[_Written]]:
    """Write every override; what changes the rulebook, what is wrong, and where the others stand."""
    changes: list[str] = []
    faults: list[str] = []
    written: list[_Written] = []
    for key, value in overrides.items():
        if key.split(".")[0] == EXTENDS:
            faults.append(f"{OVERRIDE}: {key}: is read before anything is changed; write it into a case file")
            continue
        if key.count(".") > MOST_LEVELS:
            faults.append(f"{OVERRIDE}: {key[:40]}...: has more than {MOST_LEVELS} parts; no key has so many")
            continue
        if key.startswith(RULEBOOK_PREFIX):
            try:
                figures = flat({key.removeprefix(RULEBOOK_PREFIX): typed(value)})
            except InputError as error:
                faults.append(f"{OVERRIDE}: {key}: {error}")
                continue
            table = data.setdefault("rulebook_overrides", {})
            if isinstance(table, dict):
                data["rulebook_overrides"] = {**flat(table), **figures}
                changes.extend(figures)
            continue
        _note_rulebook(data, key, value)
        try:
            written.append(_Written(tuple(key.split(".")), write(data, key, value)))
        except InputError as error:
            faults.append(f"{OVERRIDE}: {key}: {error}")
    return changes, faults, written


def _note_rulebook(data: dict[str, Any], key: str, value: Any) -> None:
    """When an override names another rulebook, note the one that the file was written for."""
    table = data if key == "rulebook" else data.get(PLACE) if key == f"{PLACE}.rulebook" else None
    if isinstance(table, dict) and isinstance(table.get("rulebook"), str) and value != table["rulebook"]:
        table.setdefault("written_for", table["rulebook"])


def _validate(
    data: dict[str, Any], looked_at: tuple[str, ...] | None = None
) -> tuple[Case | None, list[Finding]]:
    """The case, and everything that the models find in it and in its second venue."""
    case, found = _checked(data, looked_at)
    if isinstance(data.get(PLACE), dict):
        second, misplaced = second_table(data)
        crowd = ("crowd",) if looked_at is None or {"crowd", PLACE} & set(looked_at) else ()
        found = list(dict.fromkeys([*found, *misplaced, *moved(_checked(second, crowd)[1], found)]))
    return (None if found else case), found


def _checked(
    data: dict[str, Any], looked_at: tuple[str, ...] | None = None
) -> tuple[Case | None, list[Finding]]:
    """One venue's case, and everything that the models find; a figure in quotes is reported once.

    Figures in quotes are looked for in these tables only: the others were looked at before.
    """
    wrong = list(mistyped(data if looked_at is None else {key: data.get(key) for key in looked_at}))
    try:
        return Case.model_validate(data), wrong
    except ValidationError as error:
        places = {place for place, _ in wrong}
        return None, [*wrong, *(finding for finding in findings_of(error) if finding[0] not in places)]


def _with_rulebook(
    data: dict[str, Any], changes: list[str], named: str
) -> tuple[Rulebook | None, list[Finding]]:
    """The rulebook before its changes, and what is wrong between it and the case."""
    name = data.get("rulebook")
    if not isinstance(name, str) or not name:
        return None, []
    try:
        rulebook = find_rulebook(name, named)
    except RulebookError as error:
        return None, [(("rulebook",), line) for line in str(error).splitlines()]
    found = [] if data.get("written_for") else list(name_faults(data, rulebook))
    table = data.get("rulebook_overrides")
    if isinstance(table, dict):
        # What the file's own changes do not get wrong is the command line's fault, also where it is a key
        # that nobody wrote: one that the mechanism chosen there needs.
        kept = {key: value for key, value in flat(table).items() if key not in changes}
        own = change_faults(rulebook, kept)
        for fault in change_faults(rulebook, table):
            part = "rulebook_overrides" if not changes or fault in own else "rulebook"
            found.append(((part, *fault[0].split(".")), fault[1]))
    return rulebook, found


def _mechanism_faults(data: dict[str, Any], rulebook: Rulebook, known: list[Finding]) -> list[Finding]:
    """Mechanisms whose overrides have no place, or make no case."""
    found: list[Finding] = []
    table = data.get("mechanisms")
    for name, mechanism in table.items() if isinstance(table, dict) else ():
        overrides = mechanism.get("set") if isinstance(mechanism, dict) else None
        if not isinstance(overrides, dict):
            continue
        where: Loc = ("mechanisms", name, "set")
        figures = flat(overrides)
        rules = [key for key in figures if key.startswith(RULEBOOK_PREFIX)]
        changes = {key.removeprefix(RULEBOOK_PREFIX): figures.pop(key) for key in rules}
        if changes and not data.get("written_for"):
            wrong = _change_faults(data, rulebook, changes)
            found += [((*where, "rulebook", *key.split(".")), sentence) for key, sentence in wrong]
        found += _set_faults(data, figures, where, known)
    return found


def _change_faults(
    data: dict[str, Any], rulebook: Rulebook, changes: dict[str, Any]
) -> list[tuple[str, str]]:
    """What is wrong with a mechanism's changes, made alone and made on top of the case's own.

    One of the two must do: it may build on what the file changes, and an override may have taken its ground.
    """
    alone, table = change_faults(rulebook, changes), data.get("rulebook_overrides")
    if not alone or not isinstance(table, dict):
        return alone
    return change_faults(rulebook, {**flat(table), **changes}) and alone


def _set_faults(
    data: dict[str, Any], figures: dict[str, Any], where: Loc, known: list[Finding]
) -> Iterator[Finding]:
    """Try a mechanism's overrides on a copy of the case."""
    if not figures:
        return
    trial = {key: deepcopy(value) for key, value in data.items() if key not in NO_CRASH}
    for key, value in figures.items():
        if key.split(".")[0] in ("name", *NO_CRASH):
            yield (
                (*where, *key.split(".")),
                "is not part of the crash; name a figure of the world, crowd or house",
            )
            continue
        try:
            write(trial, key, value)
        except InputError as error:
            yield (*where, *key.split(".")), str(error)
    for place, sentence in _validate(trial, tuple({key.split(".")[0]: None for key in figures}))[1]:
        if (place, sentence) not in known:
            yield (*where, *place), sentence


def _asked(
    data: dict[str, Any], place: str, queries: Callable[[Sequence[Fact], str], list[str]]
) -> list[str]:
    """What `queries` finds in the facts that can be read, each at its number in the file."""
    numbers, facts = [], []
    for number, row in enumerate(rows_of(data, "facts")):
        with suppress(ValidationError):
            facts.append(Fact.model_validate(row))
            numbers.append(number)
    told = []
    for fault in queries(facts, place):
        position, _, rest = fault.removeprefix(f"{place}.").partition(" ")
        told.append(f"{place}.{numbers[int(position)]} {rest}")
    return told


def _sentence(label: str, place: Loc, text: str, written: list[_Written]) -> str:
    """A finding with the name of who is at fault: the file, or an override."""
    if place == ("rulebook",) and ": " in text and not text.startswith("is "):
        return text  # a fault inside the rulebook's own file
    if place[:1] == ("rulebook",) and len(place) > 1:
        return f"{OVERRIDE}: {dotted(place)}: {text}"
    for parts, at in written:
        if place[: len(at)] == at or at[: len(place)] == place:
            key = ".".join((*parts[: len(place)], *(str(part) for part in place[len(at) :])))
            if text.startswith("is not a key here") and (better := elsewhere(at)) and len(at) != 0:
                text = f"is not a key here; did you mean {better!r}?"
            return f"{OVERRIDE}: {key}: {text}"
    return f"{label}: {dotted(place)}: {text}"

"""The second venue of a case as a case of its own: same time, same world, everything else its own.

Holds the making of that case, from tables as they were read or from a valid case, and what is wrong with
the table that asks for it. Knows no run.

Units: as the file. Invariant: the second venue's crowd is the first's, less what `[beside.crowd]` changes;
its outside prices are the first's to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from undertow.case.checks import Finding, number_of
from undertow.case.model import Case, flat
from undertow.case.overrides import write
from undertow.errors import CaseError, InputError

PLACE = "beside"
OWN = ("title", "rulebook", "written_for", "rulebook_overrides", "house", "instruments", "weather", "facts")
SHARED = ("summary", "start", "end", "step_seconds", "record_seconds", "world", "draws")
LEAST_ACCOUNTS = 100


def second_venue(case: Case) -> Case:
    """The second venue as a case. CaseError if the case has none."""
    if case.beside is None:
        raise CaseError(f"{case.name}: has no second venue; give it a table [beside], or run it alone")
    return Case.model_validate(second_table(case.model_dump(exclude_none=True))[0])


def second_table(case: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The tables of the second venue's case, and changes of its crowd that have no place."""
    beside = case[PLACE]
    table = {key: case[key] for key in SHARED if key in case}
    table |= {key: beside[key] for key in OWN if key in beside}
    table["name"] = f"{case.get('name', '')}-{PLACE}"
    table.setdefault("weather", {"mode": "none"})
    share, accounts = number_of(beside.get("accounts_share")), number_of(case.get("accounts", 100_000))
    if share is not None and accounts is not None:
        table["accounts"] = max(LEAST_ACCOUNTS, round(share * accounts))
    crowd = {"crowd": deepcopy(case.get("crowd", {}))}
    faults: list[Finding] = []
    changes = beside.get("crowd", {})
    for key, value in flat(changes).items() if isinstance(changes, Mapping) else ():
        try:
            write(crowd, f"crowd.{key}", value)
        except InputError as error:
            faults.append(((PLACE, "crowd", *key.split(".")), str(error)))
    return {**table, **crowd}, faults


def moved(findings: Sequence[Finding], known: Iterable[Finding]) -> list[Finding]:
    """Findings in the second venue's tables at their places in the file; the crowd's own are told once."""
    seen = set(known)
    own = [(place, sentence) for place, sentence in findings if place and place[0] in OWN]
    crowd = [finding for finding in findings if finding[0][:1] == ("crowd",) and finding not in seen]
    return [((PLACE, *place), sentence) for place, sentence in (*own, *crowd)]

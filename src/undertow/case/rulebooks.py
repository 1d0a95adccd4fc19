"""The rulebook that a case names: where it is, what the case changes in it, and whether both agree.

Holds no model. Invariant: an instrument of a valid case falls back on another margin class only where its
file says so, by `margin_class = "default"` or by `written_for`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from undertow.case.checks import Finding, number_of, rows_of
from undertow.case.model import Case, flat
from undertow.case.overrides import typed
from undertow.errors import RulebookError
from undertow.rulebook.faults import suggest
from undertow.rulebook.load import load_rulebook, preset_names, with_overrides
from undertow.rulebook.model import Rulebook

FALLBACK = "default"


def is_path(name: str) -> bool:
    """Whether a rulebook is named by the path of its file; presets have plain names."""
    return "/" in name or "\\" in name or name.endswith(".toml")


def beside(name: str, folder: Path) -> str:
    """A rulebook's name as it is, its path as seen from where the program runs."""
    return str(folder / name) if is_path(name) else name


def rulebook_of(case: Case) -> Rulebook:
    """The case's rulebook with the case's overrides. RulebookError lists every fault."""
    rulebook = load_rulebook(case.rulebook)
    return changed(rulebook, case.rulebook_overrides)


def changed(rulebook: Rulebook, changes: Mapping[str, Any]) -> Rulebook:
    """A rulebook with figures changed by dotted key, values as TOML or as text of it."""
    figures = {key: typed(value) for key, value in flat(changes).items()}
    return with_overrides(rulebook, figures) if figures else rulebook


def find_rulebook(name: str, written: str) -> Rulebook:
    """A rulebook by name or path; `written` is how the case wrote it. RulebookError lists every fault."""
    if not is_path(name) and name not in preset_names():
        raise RulebookError(f"is {written!r}, which is no preset; {suggest(written, preset_names())}")
    if is_path(name) and not Path(name).is_file():
        raise RulebookError(
            f"is {written!r}, but there is no file {name}; a path in a case file starts at that file"
        )
    return load_rulebook(name)


def change_faults(rulebook: Rulebook, changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with changed figures: (dotted key of the rulebook, sentence)."""
    try:
        changed(rulebook, changes)
    except RulebookError as error:
        lines = [line.removeprefix(f"{rulebook.name}: ") for line in str(error).splitlines()]
        return [(key, sentence) for key, _, sentence in (line.partition(": ") for line in lines)]
    return []


def name_faults(case: Mapping[str, Any], rulebook: Rulebook) -> Iterator[Finding]:
    """Classes, assets and profiles of a case that its rulebook does not have."""
    which = f"which rulebook {rulebook.name!r} does not"
    for number, row in enumerate(rows_of(case, "instruments")):
        name, wanted = row.get("name"), row.get("margin_class", FALLBACK)
        if row.get("kind") != "spot":
            if isinstance(wanted, str) and wanted not in (FALLBACK, *rulebook.margin.classes):
                hint = suggest(wanted, rulebook.margin.classes)
                yield ("instruments", number, "margin_class"), f"is {wanted!r}, {which} have; {hint}"
        elif (
            isinstance(name, str)
            and name not in rulebook.collateral
            and (number_of(row.get("collateral_share")) or number_of(row.get("collateral_usd")))
        ):
            hint = suggest(name, rulebook.collateral)
            yield ("instruments", number, "name"), f"is {name!r}, {which} take as collateral; {hint}"
    crowd = case.get("crowd")
    for actor, rules in crowd.items() if isinstance(crowd, Mapping) else ():
        profile = rules.get("profile") if isinstance(rules, Mapping) else None
        if isinstance(profile, str) and profile not in rulebook.profiles:
            hint = suggest(profile, rulebook.profiles)
            yield ("crowd", actor, "profile"), f"is {profile!r}, {which} have; {hint}"
    looped = rows_of(case, "crowd", "loopers", "assets")
    for number, row in enumerate(rows_of(case, "crowd", "loopers", "products") if looped else ()):
        profile = row.get("profile")
        if isinstance(profile, str) and profile not in rulebook.profiles:
            hint = suggest(profile, rulebook.profiles)
            place = ("crowd", "loopers", "products", number, "profile")
            yield place, f"is {profile!r}, {which} have; {hint}"

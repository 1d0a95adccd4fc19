"""Reading rulebooks: presets by name, files by path, figures changed by dotted keys.

Holds `load_rulebook`, `preset_names`, `check_rulebook`, `with_overrides` and `parse_override`. Holds no
model. Units: see `base`. Invariant: what is returned has passed every check; a refusal lists all faults,
one a line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from undertow.errors import InputError, RulebookError
from undertow.rulebook.base import Loc, Part
from undertow.rulebook.extent import parsed
from undertow.rulebook.faults import child_of, dotted, keys_of, owner_of, read_toml, sentences, suggest
from undertow.rulebook.model import Rulebook, citations


def preset_names() -> tuple[str, ...]:
    """Names of the rulebooks that ship, in alphabetical order."""
    folder = resources.files("undertow.rulebook") / "presets"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def preset_path(name: str) -> Path:
    """Where the file of a rulebook that ships is."""
    return Path(str(resources.files("undertow.rulebook") / "presets" / f"{name}.toml"))


def load_rulebook(name_or_path: str | Path) -> Rulebook:
    """A rulebook by preset name or by path (a path has a separator or ends in .toml).

    RulebookError lists every fault of the file, one a line: `FILE: KEY: what is wrong; what would be
    right`.
    """
    path, label = _locate(name_or_path)
    rulebook, faults = _read(path, label)
    if rulebook is None:
        raise RulebookError("\n".join(faults))
    return rulebook


def check_rulebook(path: str | Path) -> list[str]:
    """Every fault of a rulebook file as a sentence; empty when there is none. Takes preset names too."""
    try:
        place, label = _locate(path)
    except RulebookError as error:
        return [str(error)]
    return _read(place, label)[1]


def with_overrides(rulebook: Rulebook, changes: Mapping[str, Any]) -> Rulebook:
    """The rulebook with figures changed by dotted key, checked again as a whole.

    Changing a key that selects a mechanism drops the figures that only the former one used; those that the
    new one needs must be given with it. RulebookError lists every fault.
    """
    data = rulebook.model_dump(exclude_unset=True)
    faults: list[str] = []
    written: list[Loc] = []
    for key, value in changes.items():
        try:
            written.append(_place(data, key, value))
        except InputError as error:
            faults.append(f"{rulebook.name}: {key}: {error}")
    if faults:
        raise RulebookError("\n".join(faults))
    for place in written:
        _drop_unused(data, place, written)
        _drop_deductions(data, place)
    cited = {name for _, name in citations(data)}
    data["sources"] = {name: source for name, source in data["sources"].items() if name in cited}
    data["overridden"] = tuple(sorted({*rulebook.overridden, *changes}))
    try:
        return Rulebook.model_validate(data)
    except ValidationError as error:
        raise RulebookError("\n".join(sentences(error, Rulebook, rulebook.name))) from None


def parse_override(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` as (key, value). VALUE is read as TOML; what is not TOML is taken as plain text."""
    key, mark, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not mark or not key or not value:
        raise RulebookError(f"--set {text!r}: is not KEY=VALUE; write for example mark.update_seconds=3")
    try:
        return key, parsed(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
    except ValueError as error:
        raise RulebookError(f"--set {key}: {error}") from None


def _locate(name_or_path: str | Path) -> tuple[Path, str]:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.endswith(".toml"):
        return Path(text), text
    if text not in preset_names():
        hint = suggest(text, preset_names())
        stop = "" if hint.endswith("?") else "."
        raise RulebookError(f"{text}: is no preset; {hint}{stop} A path ends in .toml")
    return preset_path(text), f"{text}.toml"


def _read(path: Path, label: str) -> tuple[Rulebook | None, list[str]]:
    try:
        data = read_toml(path, label)
    except InputError as error:
        return None, [str(error)]
    if "overridden" in data:
        return None, [f"{label}: overridden: is not a key of a file; write the figures themselves"]
    try:
        return Rulebook.model_validate(data), []
    except ValidationError as error:
        return None, sentences(error, Rulebook, label)


def _place(data: dict[str, Any], key: str, value: Any) -> Loc:
    """Write one value into the nested data; InputError says why there is no such place."""
    parts = key.split(".")
    if parts[0] in ("overridden", "sources", "name"):
        raise InputError("cannot be overridden; change a figure, or write a rulebook file")
    annotation: Any = Rulebook
    here: Any = data
    place: list[str | int] = []
    for number, part in enumerate(parts):
        if not isinstance(here, dict | list):
            rest = ".".join(parts[number:])
            raise InputError(f"{dotted(tuple(place))} is a single value; leave out {rest!r}")
        last = number == len(parts) - 1
        step = _step(annotation, here, (*place, part), creates=last)
        annotation = child_of(annotation, step)
        place.append(step)
        if last:
            break
        here = _open(data, here, tuple(place), annotation)
    here[place[-1]] = value
    return tuple(place)


def _open(data: dict[str, Any], here: Any, place: Loc, annotation: Any) -> Any:
    """The table or list one step down, made if it may be; lists become changeable."""
    step = place[-1]
    if isinstance(here, dict) and step not in here:
        # An empty table cites what the table around it cites.
        begins = _needs_only_a_source(annotation) and "source" in annotation.model_fields
        here[step] = {"source": data[str(place[0])]["source"]} if begins else {}
    if isinstance(here[step], tuple):
        here[step] = list(here[step])
    return here[step]


def _step(annotation: Any, here: Any, place: Loc, creates: bool) -> str | int:
    """The next part of a dotted key, checked against the model and the data."""
    part = str(place[-1])
    if isinstance(here, list):
        if not part.isdigit() or int(part) >= len(here):
            raise InputError(f"{part!r} is no row of this list; give a number from 0 to {len(here) - 1}")
        return int(part)
    owner = owner_of(Rulebook, place)
    if owner is not None:
        if part not in owner.model_fields:
            raise InputError(f"{part!r} is not a key here; {suggest(part, keys_of(owner))}")
    elif part not in here and not creates and not _needs_only_a_source(child_of(annotation, part)):
        raise InputError(f"{part!r} is not here; {suggest(part, here)}")
    return part


def _needs_only_a_source(annotation: Any) -> bool:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return False
    return {name for name, field in annotation.model_fields.items() if field.is_required()} <= {"source"}


def _drop_unused(data: dict[str, Any], place: Loc, written: list[Loc]) -> None:
    """After a mechanism was chosen anew, take out the figures that it cannot use."""
    owner = owner_of(Rulebook, place)
    selector = str(place[-1])
    if owner is None or not issubclass(owner, Part) or selector not in owner.NEEDS:
        return
    around: list[Any] = [data]
    for part in place[:-1]:
        around.append(around[-1][part])
    table = around[-1]
    used = owner.used_keys(selector, str(table.get(selector)))
    for key in owner.owned_keys(selector):
        ours = (*place[:-1], key)
        if key not in table or key in used or any(other[: len(ours)] == ours for other in written):
            continue
        del table[key]
        for depth, outer in enumerate(around):
            if isinstance(outer, dict) and "inferred" in outer:
                gone = dotted(ours[depth:])
                kept = (
                    name for name in outer["inferred"] if name != gone and not name.startswith(f"{gone}.")
                )
                outer["inferred"] = tuple(kept)
        _drop_unused(data, ours, written)  # it may itself have selected a mechanism


def _drop_deductions(data: dict[str, Any], place: Loc) -> None:
    """After a bracket changed, the deductions written in its table no longer hold: the recursion gives
    them.
    """
    if "brackets" not in place or place[-1] in ("brackets", "deduction_usd"):
        return
    table: Any = data
    for part in place[: place.index("brackets") + 1]:
        table = table[part]
    for row in table:
        row.pop("deduction_usd", None)

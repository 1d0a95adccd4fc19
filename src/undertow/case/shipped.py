"""The cases that ship: their names, where their files are, and a line about each. Read, not checked.

Holds no check: the tests check what ships, and a list of cases must answer at once (`load` looks at
everything). Loads no compiler.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from undertow.errors import CaseError
from undertow.rulebook.faults import read_toml, suggest

EXTENDS = "extends"  # the key of a case file that names the case it builds on


class Heading(NamedTuple):
    """What a list says of a case."""

    name: str
    title: str
    rulebook: str
    facts: int


def case_names() -> tuple[str, ...]:
    """The cases that ship, in alphabetical order."""
    folder = resources.files("undertow.case") / "library"
    return tuple(
        sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))
    )


def case_path(name_or_path: str | Path) -> Path:
    """Where a case's file is: a library name or a path. CaseError with a suggestion if there is none."""
    text = str(name_or_path)
    if text in case_names():
        return Path(str(resources.files("undertow.case") / "library" / f"{text}.toml"))
    path = Path(text)
    if path.is_file():
        return path
    if (path / "case.toml").is_file():
        raise CaseError(f"{text}: is the folder of a run; its case is {path / 'case.toml'}")
    if path.suffix != ".toml" and "/" not in text:
        raise CaseError(f"{text}: there is no such case; {suggest(text, case_names())}")
    raise CaseError(f"{text}: there is no such file; give the path of a TOML file")


def headings() -> list[Heading]:
    """A line about each case that ships."""
    files = {name: read_toml(case_path(name), name) for name in case_names()}
    return [
        Heading(name, _of(files, name, "title"), _of(files, name, "rulebook"), len(file.get("facts", [])))
        for name, file in files.items()
    ]


def _of(files: dict[str, dict[str, Any]], name: str, key: str) -> str:
    """A value of a case's own file, or of the case that it extends."""
    file = files[name]
    return str(file[key]) if key in file else _of(files, str(file[EXTENDS]), key)

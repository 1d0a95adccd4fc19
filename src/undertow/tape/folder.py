"""A run's folder: its name, its run.json and the other small files beside the tape.

Holds no table. `run.json` says what was run and how far it came; it carries no clock and no path, so that
the same case, seed and version give the same bytes. A new run never overwrites another: it takes the next
free suffix.

Invariants: `run.json` exists from the first moment and says "partial" until the run is finished; it lists the
tables of the tape once they are whole, so a run that was killed, or that has lost a table, is told from one
that was cut short with care or where nothing happened.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.errors import DataError, InputError

RUN_FILE = "run.json"
LONGEST_SHOWN = 60  # characters of a wrong value
PARTIAL = "partial"
COMPLETE = "complete"
SEAL_KEY = "files"  # hash of each file of the tape, by its name (`undertow.tape.seal`)
TABLES_KEY = "tables"  # names of the tables that were written; absent while the run goes on
_SHAPES = {
    "start_utc": (str, "a text"),
    "accounts": (int, "a whole number"),
    "steps_done": (int, "a whole number"),
    "steps_total": (int, "a whole number"),
    "step_seconds": (int | float, "a number"),
    "settlement": (dict, "an object"),
    "settings": (dict, "an object"),
    "below_at_start": (dict, "an object"),
    "hashes": (dict, "an object"),
    "groups": (list, "a list"),
    "profiles": (list, "a list"),
    TABLES_KEY: (list, "a list"),
    SEAL_KEY: (dict, "an object"),
}
_OF_TEXTS = ("groups", "profiles", TABLES_KEY)  # lists whose every entry is a name


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. Make it with `create` or `open`."""

    path: Path

    @classmethod
    def create(cls, wanted: Path, record: Mapping[str, Any]) -> RunFolder:
        """A new folder at `wanted`, or with the next free suffix -2, -3, ... when that is taken.

        `record` becomes run.json with status "partial". Raises InputError when the folder cannot be made.
        """
        number = 1
        while True:
            path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:
                number += 1
            except OSError as error:
                raise InputError(f"{path}: cannot create the run folder: {error.strerror}") from None
        folder = cls(path)
        folder.write({**record, "status": PARTIAL})
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run; raises InputError when `path` is none."""
        if not path.exists():
            raise InputError(f"{path}: no such run folder{_nearby(path)}")
        if not (path / RUN_FILE).is_file():
            raise InputError(f"{path}: not a run folder: it has no {RUN_FILE}{_nearby(path)}")
        return cls(path)

    def read(self) -> dict[str, Any]:
        """The content of run.json; raises DataError when it is no record of a run."""
        record = self.read_json(RUN_FILE)
        path = self.path / RUN_FILE
        if record.get("status") not in (PARTIAL, COMPLETE):
            given = f"is {record['status']!r}" if "status" in record else "is missing"
            wanted = f"must be {COMPLETE!r} or {PARTIAL!r}, as a run writes it"
            raise DataError(f"{path}: status: {given}; {wanted}; run the case again")
        for key, (shape, words) in _SHAPES.items():
            if key in record and not isinstance(record[key], shape):
                wrong = f"must be {words}, is {_shown(record[key])}"
                raise DataError(f"{path}: {key}: {wrong}; run the case again")
        for key in _OF_TEXTS:
            if not all(isinstance(name, str) for name in record.get(key, ())):
                wrong = f"must be a list of names, is {_shown(record[key])}"
                raise DataError(f"{path}: {key}: {wrong}; run the case again")
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace run.json as a whole."""
        self.write_json(RUN_FILE, record)

    def update(self, **changes: Any) -> None:
        """Change some keys of run.json."""
        self.write({**self.read(), **changes})

    @property
    def status(self) -> str:
        """ "complete", or "partial" for a run that was cut short or is still going."""
        return str(self.read()["status"])

    @property
    def name(self) -> str:
        """The folder's own name, as it is shown to people."""
        return self.path.resolve().name

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON object beside the tape; raises DataError when it is missing or damaged."""
        path = self.path / name
        try:
            content = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise DataError(f"{path}: cannot read: {error.strerror}") from None
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON: {error}") from None
        except RecursionError:
            raise DataError(f"{path}: not valid JSON: nests too deep to be a record of a run") from None
        if not isinstance(content, dict):
            raise DataError(f"{path}: must hold one JSON object, holds a {type(content).__name__}")
        return content

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON object; readers see the old file or the new one, never half of it."""
        self.write_text(name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Write a text file; readers see the old file or the new one, never half of it."""
        path = self.path / name
        unfinished = path.with_name(f".{name}.unfinished")
        try:
            unfinished.write_text(content, "utf-8", newline="\n")
            os.replace(unfinished, path)
        except OSError as error:
            raise InputError(f"{path}: cannot write: {error.strerror}") from None

    def read_text(self, name: str) -> str | None:
        """A text file beside the tape, None when there is none; raises DataError when it is damaged."""
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return path.read_text("utf-8")
        except OSError as error:
            raise DataError(f"{path}: cannot read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text: {error}") from None

    def read_toml(self, name: str) -> dict[str, Any]:
        """A TOML file beside the tape, empty when there is none; raises DataError when it is damaged."""
        try:
            return tomllib.loads(self.read_text(name) or "")
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{self.path / name}: not valid TOML: {error}; run the case again") from None


def _shown(value: object) -> str:
    """A value that stands where it should not, short."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _nearby(path: Path) -> str:
    """Runs that stand beside a path that is none, as a hint."""
    parent = path if path.is_dir() else path.parent
    if not parent.is_dir():
        return ""
    runs = sorted(found.parent.name for found in parent.glob(f"*/{RUN_FILE}"))
    if not runs:
        return ""
    return f"; runs in {parent}: {', '.join(runs[:6])}{', ...' if len(runs) > 6 else ''}"

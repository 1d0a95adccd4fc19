"""A run's folder: its name, its run.json and the other small files beside the tape.

Holds no table. `run.json` says what was run and how far it came; it carries no clock and no path, so that
the same case, seed and version give the same bytes. A new run never overwrites another: it takes the next
free suffix.

Invariant: `run.json` exists from the first moment and says "partial" until the run is finished, so a run
that is killed leaves a folder that can be read and says what it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.errors import DataError, InputError

RUN_FILE = "run.json"
PARTIAL = "partial"
COMPLETE = "complete"


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
        """The content of run.json."""
        return self.read_json(RUN_FILE)

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace run.json as a whole."""
        self.write_json(RUN_FILE, record)

    def update(self, **changes: Any) -> None:
        """Change some keys of run.json."""
        self.write({**self.read(), **changes})

    @property
    def status(self) -> str:
        """ "complete", or "partial" for a run that was cut short or is still going."""
        return str(self.read().get("status", PARTIAL))

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
        """A text file beside the tape, None when there is none."""
        path = self.path / name
        return path.read_text("utf-8") if path.is_file() else None


def _nearby(path: Path) -> str:
    """Runs that stand beside a path that is none, as a hint."""
    parent = path if path.is_dir() else path.parent
    if not parent.is_dir():
        return ""
    runs = sorted(found.parent.name for found in parent.glob(f"*/{RUN_FILE}"))
    if not runs:
        return ""
    return f"; runs in {parent}: {', '.join(runs[:6])}{', ...' if len(runs) > 6 else ''}"

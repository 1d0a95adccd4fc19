"""Two runs, or more, side by side: the key outcomes of each, the difference to the first, who would be saved.

Holds no measure. A row exists when any of the runs has the outcome; a run without it (an instrument it does
not list) has None there, never a zero. Ensembles are compared by `compare_draws`, paired by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from undertow.case.facts import as_utc
from undertow.errors import CommandLineError
from undertow.lab.compare_draws import DrawsComparison, compare_ensembles
from undertow.lab.ensemble import is_ensemble
from undertow.lab.labels import differing_settings, told_apart
from undertow.lab.outcomes import measured_elsewhere, read_outcomes
from undertow.lab.saved import Saved, saved_in
from undertow.tape import RunFolder


@dataclass(frozen=True)
class ComparedRow:
    """One outcome over the runs. `differences` are to the first run; None where either has no value."""

    name: str
    label: str
    unit: str
    instrument: str
    values: tuple[float | None, ...]

    @property
    def differences(self) -> tuple[float | None, ...]:
        """Value less the first run's value, one for each further run."""
        first = self.values[0]
        return tuple(None if first is None or value is None else value - first for value in self.values[1:])

    @property
    def differs(self) -> bool:
        """Whether any run has another value than the first."""
        return any(value != self.values[0] for value in self.values[1:])


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; `settings` holds what they were run with where it differs, a value for each.

    `start` is when they began, None where they did not begin at the same time. `people` has an entry for
    each further run: its accounts against the first run's. `notes` say what a reader must know.
    """

    names: tuple[str, ...]
    start: datetime | None
    settings: dict[str, tuple[str, ...]]
    rows: tuple[ComparedRow, ...]
    people: tuple[Saved, ...] = ()
    notes: tuple[str, ...] = ()


def compare(*folders: Path | str) -> Comparison | DrawsComparison:
    """Compare run folders, or ensembles' folders with each other, paired by seed.

    Raises CommandLineError for fewer than two or for runs among ensembles, InputError where one is neither.
    """
    if len(folders) < 2:
        raise CommandLineError(f"compare needs two or more runs, was given {len(folders)}")
    paths = [Path(folder) for folder in folders]
    several = [is_ensemble(path) for path in paths]
    if all(several):
        return compare_ensembles(*paths)
    if any(several):
        odd = paths[several.index(True)]
        raise CommandLineError(
            f"{odd} is an ensemble; compare it with another, or name the folder of one of its draws"
        )
    return compare_runs(*paths)


def compare_runs(*paths: Path | str) -> Comparison:
    """Compare run folders. Raises InputError where one is no run, DataError where it has no outcomes."""
    runs = [RunFolder.open(Path(path)) for path in paths]
    found: dict[tuple[str, str], list[Any]] = {}
    for place, run in enumerate(runs):
        for outcome in read_outcomes(run):
            row = found.setdefault((outcome.name, outcome.instrument), [outcome, [None] * len(runs)])
            row[1][place] = outcome.value
    rows = tuple(
        ComparedRow(outcome.name, outcome.label, outcome.unit, outcome.instrument, tuple(values))
        for outcome, values in found.values()
    )
    names = told_apart([run.path for run in runs])
    records = [run.read() for run in runs]
    starts = {str(record.get("start_utc", "")) for record in records}
    start = as_utc(datetime.fromisoformat(starts.pop())) if len(starts) == 1 else None
    people = tuple(
        saved_in(runs[0], other, (names[0], name)) for other, name in zip(runs[1:], names[1:], strict=True)
    )
    return Comparison(names, start, differing_settings(records), rows, people, _notes(runs, names))


def _notes(runs: Sequence[RunFolder], names: Sequence[str]) -> tuple[str, ...]:
    old = [name for run, name in zip(runs, names, strict=True) if measured_elsewhere(run)]
    if not old:
        return ()
    return (f"{', '.join(old)}: outcomes as another version measured them, for its tape was dropped",)

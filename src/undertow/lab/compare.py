"""Two runs, or more, side by side: the key outcomes of each and the difference to the first.

Holds no measure. A row exists when any of the runs has the outcome; a run without it (an instrument it does
not list) has None there, never a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from undertow.errors import CommandLineError
from undertow.lab.measures.registry import start_of
from undertow.lab.outcomes import outcomes
from undertow.tape import RunFolder, Tape


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

    `start` is when they began, None where they did not begin at the same time.
    """

    names: tuple[str, ...]
    start: datetime | None
    settings: dict[str, tuple[str, ...]]
    rows: tuple[ComparedRow, ...]


def compare(*runs: Path | str) -> Comparison:
    """Compare run folders. Raises CommandLineError for fewer than two, InputError where one is no run."""
    if len(runs) < 2:
        raise CommandLineError(f"compare needs two or more runs, was given {len(runs)}")
    tapes = [Tape(RunFolder.open(Path(run))) for run in runs]
    found: dict[tuple[str, str], list[Any]] = {}
    for place, tape in enumerate(tapes):
        for outcome in outcomes(tape):
            row = found.setdefault((outcome.name, outcome.instrument), [outcome, [None] * len(tapes)])
            row[1][place] = outcome.value
    rows = tuple(
        ComparedRow(outcome.name, outcome.label, outcome.unit, outcome.instrument, tuple(values))
        for outcome, values in found.values()
    )
    names = tuple(tape.folder.name for tape in tapes)
    starts = [start_of(tape) for tape in tapes]
    settings = _differing_settings([tape.record for tape in tapes])
    for tape in tapes:
        tape.close()
    return Comparison(names, starts[0] if len(set(starts)) == 1 else None, settings, rows)


def _differing_settings(records: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    described = []
    for record in records:
        plain = {
            key: str(record.get(key, "-"))
            for key in ("case", "rulebook", "seed", "accounts", "data", "version", "status")
        }
        described.append(
            {**plain, **{str(key): str(value) for key, value in record.get("settings", {}).items()}}
        )
    keys = dict.fromkeys(key for each in described for key in each)
    rows = {key: tuple(each.get(key, "as in the case") for each in described) for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}

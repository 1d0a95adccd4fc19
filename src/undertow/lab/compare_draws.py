"""Ensembles side by side, paired by seed: means, ranges, how sure a change is, who would have been saved.

Holds the pairing of draws; the arithmetic of a change is `paired`. A draw that only one of the two has is in
its mean and range, and in no change.

Units: those of outcomes. Invariant: a change speaks only of seeds that both ensembles played to the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from undertow.case.facts import as_utc
from undertow.lab.drawn import Drawn
from undertow.lab.ensemble import ENSEMBLE_FILE, Ensemble, outcomes_of, read_ensemble
from undertow.lab.labels import differing_settings, told_apart
from undertow.lab.outcomes import measured_elsewhere
from undertow.lab.paired import Change, change
from undertow.lab.saved import Saved, saved_in
from undertow.tape import RunFolder


@dataclass(frozen=True)
class DrawsRow:
    """One outcome: its draws in every ensemble, and how each further one changes it against the first."""

    name: str
    label: str
    unit: str
    instrument: str
    columns: tuple[Drawn, ...]
    changes: tuple[Change, ...]

    @property
    def differs(self) -> bool:
        """Whether any paired draw moved."""
        return any(change.rose or change.fell for change in self.changes)


@dataclass(frozen=True)
class DrawsComparison:
    """Ensembles side by side.

    `seeds` are the draws of each, `common` those that each further one shares with the first, on which its
    changes stand. `people` holds, for each further one, the accounts of every shared seed whose tapes were
    kept.
    """

    names: tuple[str, ...]
    start: datetime | None
    settings: dict[str, tuple[str, ...]]
    seeds: tuple[tuple[int, ...], ...]
    common: tuple[tuple[int, ...], ...]
    rows: tuple[DrawsRow, ...]
    people: tuple[dict[int, Saved], ...]
    notes: tuple[str, ...]


def compare_ensembles(*paths: Path | str) -> DrawsComparison:
    """Compare ensembles' folders. Raises InputError where one is no ensemble, or a draw has no outcomes."""
    folders = [Path(path) for path in paths]
    ensembles = [read_ensemble(folder) for folder in folders]
    records = [RunFolder(folder).read_json(ENSEMBLE_FILE) for folder in folders]
    names = told_apart(folders)
    done = [_done(ensemble) for ensemble in ensembles]
    common = tuple(tuple(seed for seed in done[0] if seed in other) for other in done[1:])
    starts = {f"{as_utc(ensemble.variant.case.start):%Y-%m-%dT%H:%M:%SZ}" for ensemble in ensembles}
    return DrawsComparison(
        names,
        as_utc(datetime.fromisoformat(starts.pop())) if len(starts) == 1 else None,
        differing_settings(records),
        tuple(tuple(draw.seed for draw in ensemble.draws) for ensemble in ensembles),
        common,
        _rows(ensembles, common),
        tuple(
            _people(done[0], other, seeds, (names[0], name))
            for other, seeds, name in zip(done[1:], common, names[1:], strict=True)
        ),
        tuple(_notes(names, done, common)),
    )


def _done(ensemble: Ensemble) -> dict[int, RunFolder]:
    """The folders of the draws that were played to the end, by seed."""
    assert ensemble.folder is not None
    return {
        draw.seed: RunFolder(ensemble.folder / draw.folder) for draw in ensemble.draws if not draw.problem
    }


def _rows(ensembles: Sequence[Ensemble], common: Sequence[Sequence[int]]) -> tuple[DrawsRow, ...]:
    found: dict[tuple[str, str], list[Drawn | None]] = {}
    for place, ensemble in enumerate(ensembles):
        for drawn in outcomes_of(ensemble):
            found.setdefault((drawn.name, drawn.instrument), [None] * len(ensembles))[place] = drawn
    rows = []
    for columns in found.values():
        known = next(drawn for drawn in columns if drawn is not None)
        whole = tuple(
            drawn or Drawn(known.name, known.label, known.unit, known.instrument, (None,) * len(each.draws))
            for drawn, each in zip(columns, ensembles, strict=True)
        )
        values = [
            dict(zip((draw.seed for draw in each.draws), drawn.values, strict=True))
            for each, drawn in zip(ensembles, whole, strict=True)
        ]
        changes = tuple(
            change([values[0][seed] for seed in seeds], [other[seed] for seed in seeds])
            for other, seeds in zip(values[1:], common, strict=True)
        )
        rows.append(DrawsRow(known.name, known.label, known.unit, known.instrument, whole, changes))
    return tuple(rows)


def _people(
    first: Mapping[int, RunFolder],
    second: Mapping[int, RunFolder],
    seeds: Sequence[int],
    names: tuple[str, str],
) -> dict[int, Saved]:
    """Accounts of every shared seed that kept its tape in both."""
    found = {seed: saved_in(first[seed], second[seed], names) for seed in seeds}
    return {seed: pair for seed, pair in found.items() if not pair.why_not}


def _notes(
    names: Sequence[str], done: Sequence[Mapping[int, RunFolder]], common: Sequence[Sequence[int]]
) -> list[str]:
    notes = []
    for name, other, seeds in zip(names[1:], done[1:], common, strict=True):
        if not seeds:
            notes.append(
                f"{name} shares no seed with {names[0]}, so no draw can be paired: the means differ by "
                "chance too"
            )
        elif len(seeds) < max(len(done[0]), len(other)):
            notes.append(f"{name}: changes are over the {len(seeds)} seeds that it shares with {names[0]}")
    for name, folders in zip(names, done, strict=True):
        if any(measured_elsewhere(folder) for folder in folders.values()):
            notes.append(f"{name}: outcomes as another version measured them, for its tapes were dropped")
    return notes

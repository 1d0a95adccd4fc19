"""Where one draw stands among many: the ensemble of the same case that lies beside a run, if there is one.

Holds the finding and reading of it. Nothing is run. An ensemble is of the same case when case, rulebook, data
and code are the same to the byte: then its draws differ from the run by the seed alone.

Units: those of outcomes. Invariant: what is found depends on the folders beside the run, never on the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.errors import InputError
from undertow.lab.drawn import Drawn
from undertow.lab.ensemble import ENSEMBLE_FILE
from undertow.tape import RunFolder

FEWEST = 2  # draws that make a range
_SAME = ("data", "source_hash", "rulebook")
_FILES = ("case.toml", "rulebook.toml")


@dataclass(frozen=True)
class Standing:
    """Draws of the same case; `met` are the predicted facts that each draw meets, of `predicted`."""

    folder: Path
    draws: int
    outcomes: dict[tuple[str, str], Drawn]
    met: tuple[int, ...]
    predicted: int

    def of(self, name: str, instrument: str = "") -> Drawn | None:
        """An outcome over the draws."""
        return self.outcomes.get((name, instrument))


def standing_of(run: RunFolder) -> Standing | None:
    """The largest ensemble of a run's own case, around it or beside it; None where there is none."""
    place = run.path.resolve().parent
    around = [place] if (place / ENSEMBLE_FILE).is_file() else []
    beside = sorted(path.parent for path in place.glob(f"*/{ENSEMBLE_FILE}"))
    found = [one for folder in (*around, *beside) if (one := _read(run, folder)) is not None]
    return max(found, key=lambda one: one.draws, default=None)


def _read(run: RunFolder, folder: Path) -> Standing | None:
    """An ensemble as it says it is; None where it is of another case, has no range, or cannot be read."""
    try:
        own, record = run.read(), RunFolder(folder).read_json(ENSEMBLE_FILE)
        texts = [(run.read_text(name), RunFolder(folder).read_text(name)) for name in _FILES]
        if any(own.get(key) != record.get(key) for key in _SAME) or any(
            one is None or one != other for one, other in texts
        ):
            return None
        return _standing(folder, record)
    except (InputError, KeyError, TypeError, ValueError):
        return None  # a neighbour that is damaged says nothing of this run


def _standing(folder: Path, record: dict[str, Any]) -> Standing | None:
    draws = [row for row in record["draws"] if not row["problem"]]
    if len(draws) < FEWEST:
        return None
    outcomes = [Drawn.from_plain(row) for row in record["outcomes"]]
    facts = [row for row in record["facts"] if not row["calibrated"]]
    met = [
        sum(row["distances"][place] is not None and row["distances"][place] <= 1.0 for row in facts)
        for place, row in enumerate(record["draws"])
        if not row["problem"]
    ]
    found = {(drawn.name, drawn.instrument): drawn for drawn in outcomes}
    return Standing(folder, len(draws), found, tuple(met), len(facts))

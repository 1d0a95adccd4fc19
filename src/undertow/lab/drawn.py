"""Key outcomes over the draws of a case: each draw's value, their mean and how far they reach.

Holds arithmetic on outcomes only; who runs the draws is `ensemble`, facts over draws are `spread`.

Units: those of outcomes. Invariant: every outcome has a value, or None, for every draw, in the draws' order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from undertow.lab.outcomes import Outcome
from undertow.lab.spread import rounded


@dataclass(frozen=True)
class Drawn:
    """One outcome over the draws; a value is None where a draw has none (nobody knows, or it failed)."""

    name: str
    label: str
    unit: str
    instrument: str
    values: tuple[float | None, ...]

    @property
    def known(self) -> tuple[float, ...]:
        """The values that there are."""
        return tuple(value for value in self.values if value is not None)

    @property
    def mean(self) -> float | None:
        """Their mean."""
        return fmean(self.known) if self.known else None

    @property
    def deviation(self) -> float | None:
        """Their standard deviation (the population's)."""
        return pstdev(self.known) if self.known else None

    @property
    def least(self) -> float | None:
        """The smallest."""
        return min(self.known, default=None)

    @property
    def largest(self) -> float | None:
        """The largest."""
        return max(self.known, default=None)

    def as_plain(self) -> dict[str, Any]:
        """The outcome as JSON holds it."""
        found = {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "instrument": self.instrument,
            "values": self.values,
            "mean": self.mean,
            "deviation": self.deviation,
            "least": self.least,
            "largest": self.largest,
        }
        return dict(rounded(found))

    @classmethod
    def from_plain(cls, row: Mapping[str, Any]) -> Drawn:
        """The outcome that JSON holds. Raises KeyError or TypeError on anything else."""
        values = tuple(None if value is None else float(value) for value in row["values"])
        return cls(str(row["name"]), str(row["label"]), str(row["unit"]), str(row["instrument"]), values)


def drawn_of(draws: Sequence[Sequence[Outcome] | None]) -> tuple[Drawn, ...]:
    """The outcomes over draws, in the order in which they first occur; None stands for a draw without any."""
    first: dict[tuple[str, str], Outcome] = {}
    values: dict[tuple[str, str], list[float | None]] = {}
    for place, found in enumerate(draws):
        for outcome in found or ():
            key = (outcome.name, outcome.instrument)
            first.setdefault(key, outcome)
            values.setdefault(key, [None] * len(draws))[place] = outcome.value
    return tuple(
        Drawn(one.name, one.label, one.unit, one.instrument, tuple(values[key])) for key, one in first.items()
    )

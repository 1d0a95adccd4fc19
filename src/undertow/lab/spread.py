"""Facts over several draws: mean, spread, how far the mean is off, and the loss that a calibration lowers.

Holds arithmetic on scores only; who runs the draws is `ensemble`.

A mean is taken on the fact's own scale: logarithms for tolerances of kind "log" and "rel", plain numbers for
"abs". Where a draw has no value on that scale the fact has a median instead, and is missed, with the reason.
The loss is that of a fit by draws: the mean over draws of the mean over blocks of the mean over a block's
facts of min(z^2, 9), z in tolerances and 9 where nothing was measured, plus half the standard deviation of
the draws' losses, so that a lucky draw does not hide an unstable crowd.

Units: values in the fact's unit, `deviation` and distances in tolerances. Invariant: as many rows as facts,
in their order; the result depends on the draws' order alone, never on who ran them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean, median, pstdev
from typing import Any

from undertow.case.facts import Fact
from undertow.lab.score import Score, bounded, in_words

WORST = 9.0  # a fact costs no more, however far off
SPREAD_WEIGHT = 0.5
WHOLE = "all"  # the block of facts that name none


@dataclass(frozen=True)
class FactSpread:
    """One fact over the draws. `centre` is a mean, or the median where a draw has no value."""

    id: str
    definition: str
    block: str
    unit: str
    published: float
    published_text: str
    tolerance: str
    calibrated: bool
    values: tuple[float | None, ...]
    distances: tuple[float | None, ...]
    centre: float | None
    centre_text: str
    deviation: float | None
    least_text: str
    largest_text: str
    distance: float | None
    passed: bool
    share_passed: float
    problem: str
    side: str = "both"

    @property
    def bound_text(self) -> str:
        """What was published, with the side it bounds."""
        return bounded(self.published_text, self.side)


@dataclass(frozen=True)
class Loss:
    """What a fit lowers: `total` = `mean` + half of `deviation`; blocks as means over draws."""

    total: float
    mean: float
    deviation: float
    blocks: dict[str, float]
    draws: tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """All facts of a case over the draws."""

    rows: tuple[FactSpread, ...]
    draws: int

    def count(self, calibrated: bool) -> tuple[int, int]:
        """(passed by the mean, all) of the calibrated facts, or of the predicted ones."""
        rows = [row for row in self.rows if row.calibrated is calibrated]
        return sum(row.passed for row in rows), len(rows)

    def loss(self, calibrated: bool | None = None) -> Loss | None:
        """The loss over calibrated facts, over predicted ones, or over all; None where there are none."""
        rows = [row for row in self.rows if calibrated is None or row.calibrated is calibrated]
        return loss_of(rows) if rows and self.draws else None

    def as_json(self) -> dict[str, Any]:
        """Counts, losses and rows as plain values."""
        counts, losses = {}, {}
        for name, calibrated in (("calibrated", True), ("predicted", False)):
            passed, total = self.count(calibrated)
            counts[name] = {"passed": passed, "total": total}
            found = self.loss(calibrated)
            losses[name] = None if found is None else rounded(asdict(found))
        return {"counts": counts, "loss": losses, "facts": [rounded(asdict(row)) for row in self.rows]}


def spread_of(facts: Sequence[Fact], scores: Sequence[Score | None], start: datetime) -> Spread:
    """The facts over the draws' scores; None stands for a draw that gave no score at all."""
    rows = []
    for place, fact in enumerate(facts):
        values, distances, reasons = [], [], []
        for score in scores:
            row = None if score is None else score.rows[place]
            value = None if row is None else row.simulated
            distance = None if value is None else fact.distance(fact.published(start), value)
            if distance is not None and math.isinf(distance):
                reasons.append("is on the other side of zero, where a ratio means nothing")
                distance = None
            elif value is None:
                reasons.append("the run was not scored" if row is None else row.problem)
            values.append(value)
            distances.append(distance)
        rows.append(_row(fact, values, distances, reasons, start))
    return Spread(tuple(rows), len(scores))


def loss_of(rows: Iterable[FactSpread]) -> Loss:
    """The loss over these facts. Raises ValueError when there are none, or no draws."""
    blocks: dict[str, list[FactSpread]] = {}
    for row in rows:
        blocks.setdefault(row.block, []).append(row)
    if not blocks:
        raise ValueError("no facts, so no loss")
    by_block = {
        name: [fmean(_cost(row.distances[draw]) for row in members) for draw in range(len(members[0].values))]
        for name, members in blocks.items()
    }
    draws = [fmean(costs) for costs in zip(*by_block.values(), strict=True)]
    if not draws:
        raise ValueError("no draws, so no loss")
    mean, deviation = fmean(draws), pstdev(draws)
    return Loss(
        mean + SPREAD_WEIGHT * deviation,
        mean,
        deviation,
        {name: fmean(costs) for name, costs in by_block.items()},
        tuple(draws),
    )


def rounded(value: Any) -> Any:
    """Nested plain values with floats to twelve figures: no file carries the last bits of a sum."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _cost(distance: float | None) -> float:
    return WORST if distance is None else min(distance * distance, WORST)


def _row(
    fact: Fact,
    values: list[float | None],
    distances: list[float | None],
    reasons: list[str],
    start: datetime,
) -> FactSpread:
    published = fact.published(start)
    known = [value for value in values if value is not None]
    usable = [
        value for value, off in zip(values, distances, strict=True) if value is not None and off is not None
    ]
    whole = bool(usable) and len(usable) == len(values)
    centre = _mean(fact, published, usable) if whole else (median(known) if known else None)
    distance = None if centre is None else fact.distance(published, centre)
    problem = ""
    if not whole and values:
        problem = f"{len(values) - len(usable)} of {len(values)} draws have no value: {_commonest(reasons)}"

    def words(value: float | None) -> str:
        return "not measured" if value is None else in_words(value, fact.unit, start)

    return FactSpread(
        id=fact.id,
        definition=fact.definition,
        block=fact.block or WHOLE,
        unit=fact.unit,
        published=published,
        published_text=words(published),
        tolerance=fact.tolerance.in_words(fact.unit),
        calibrated=fact.calibrate,
        values=tuple(values),
        distances=tuple(distances),
        centre=centre,
        centre_text=words(centre),
        deviation=_deviation(fact, published, usable),
        least_text=words(min(known, default=None)),
        largest_text=words(max(known, default=None)),
        distance=None if distance is None or math.isinf(distance) else distance,
        passed=whole and distance is not None and distance <= 1.0,
        share_passed=sum(off is not None and off <= 1.0 for off in distances) / max(1, len(distances)),
        problem=problem,
        side=fact.side,
    )


def _commonest(reasons: list[str]) -> str:
    return max(dict.fromkeys(reasons), key=reasons.count) if reasons else "there was no draw"


def _logarithmic(fact: Fact, published: float, values: list[float]) -> bool:
    """Whether the fact's scale is logarithmic and every value stands on it."""
    return fact.tolerance.kind != "abs" and all(value * published > 0 for value in values)


def _mean(fact: Fact, published: float, values: list[float]) -> float:
    if _logarithmic(fact, published, values):
        return published * math.exp(fmean(math.log(value / published) for value in values))
    return fmean(values)


def _deviation(fact: Fact, published: float, values: list[float]) -> float | None:
    """Standard deviation over draws (the population's), in tolerances."""
    if not values:
        return None
    if _logarithmic(fact, published, values):
        return pstdev(math.log(value / published) for value in values) / fact.tolerance.amount
    unit = abs(published) if fact.tolerance.kind == "rel" else 1.0
    return pstdev(values) / (fact.tolerance.amount * unit)

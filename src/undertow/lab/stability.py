"""Stability: whether the score depends on choices that should not matter, and how much on luck.

Holds the variants and their comparison with the case as it is: half the step, another order inside a step,
twice as many levels of far bids, another crowd with the flow kept, another flow with the crowd kept. All are
scored at the same seeds.

Units: losses as in `spread`, over all facts. A variant is within the spread when its mean loss differs from
the case's by no more than the standard deviation of the case's loss between draws. Invariant: one row a
variant, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.errors import CommandLineError
from undertow.lab.difference import FactDifference, as_plain, differences
from undertow.lab.ensemble import (
    Ensemble,
    Variant,
    new_folder,
    run_variants,
    scored_variant_of,
    write_ensemble,
)
from undertow.lab.pool import Pool
from undertow.lab.progress import Progress, Silent
from undertow.lab.spread import Loss, Spread, rounded
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder

STABILITY_FILE = "stability.json"
ANEW = 10_000  # added to a draw's number: beyond the seeds of any ensemble


@dataclass(frozen=True)
class _Change:
    name: str
    words: str
    settings: Callable[[Case], dict[str, str]]


CHANGES = (
    _Change("half-step", "half the step", lambda case: {"step_seconds": _half(case.step_seconds)}),
    _Change("order", "another order inside a step", lambda case: {"draws.order": f"{ANEW}"}),
    _Change(
        "far-bids",
        "twice as many levels of far bids",
        lambda case: {"crowd.patient.levels": f"{2 * case.crowd.patient.levels}"},
    ),
    _Change("crowd", "another crowd, the same flow", lambda case: {"draws.crowd": f"{ANEW}"}),
    _Change("flow", "another flow, the same crowd", lambda case: {"draws.flow": f"{ANEW}"}),
)


@dataclass(frozen=True)
class Changed:
    """One variant against the case as it is."""

    name: str
    words: str
    settings: dict[str, str]
    loss: Loss
    change: float
    within: bool
    met: tuple[int, int]
    facts: tuple[FactDifference, ...]

    @property
    def moved(self) -> tuple[FactDifference, ...]:
        """Facts that are now met or missed and were not."""
        return tuple(row for row in self.facts if row.first_passed != row.second_passed)


@dataclass(frozen=True)
class Stability:
    """The case as it is and every variant that was scored."""

    folder: Path
    status: str
    base: Spread
    loss: Loss
    rows: tuple[Changed, ...]

    def as_json(self) -> dict[str, Any]:
        """The content of stability.json."""
        return {
            "status": self.status,
            "base": {"loss": self.loss.mean, "deviation": self.loss.deviation, "met": met_of(self.base)},
            "variants": [
                {
                    "name": row.name,
                    "words": row.words,
                    "settings": row.settings,
                    "loss": row.loss.mean,
                    "deviation": row.loss.deviation,
                    "change": row.change,
                    "within": row.within,
                    "met": row.met,
                    "facts": as_plain(row.facts),
                }
                for row in self.rows
            ],
        }


def stability(
    case: str | Path,
    seeds: Sequence[int],
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    out: Path | None = None,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> Stability:
    """Score every variant and write stability.json into a new folder. Ctrl-C keeps whole variants.

    `only` names some of the variants. Raises InputError for anything wrong with what was given.
    """
    if len(seeds) < 2:
        raise CommandLineError(f"a spread needs two draws or more, was given {len(seeds)}")
    chosen = _chosen(only)
    base = scored_variant_of(case, settings, data)
    variants = [base]
    for change in chosen:
        changed = {**base.settings, **change.settings(base.case)}
        variants.append(Variant(base.name, load_case(case, changed), changed, data))
    folder = new_folder(out, f"{base.case.name}-stability")
    places = [folder / name for name in ("base", *(change.name for change in chosen))]
    for place in places:
        place.mkdir()
    label = f"Scoring {len(variants)} variants, {len(seeds)} draws each"
    with Pool(jobs) as pool:
        ensembles = run_variants(variants, seeds, pool, progress or Silent(), places, label=label)
    if ensembles[0].status != COMPLETE:
        raise KeyboardInterrupt
    for ensemble in ensembles:
        write_ensemble(ensemble)
    rows = tuple(
        _row(change, base.case, ensembles[0], ensemble)
        for change, ensemble in zip(chosen, ensembles[1:], strict=True)
        if ensemble.status == COMPLETE
    )
    status = COMPLETE if len(rows) == len(chosen) else PARTIAL
    spread = ensembles[0].spread
    found = Stability(folder, status, spread, _loss(spread), rows)
    RunFolder(folder).write_json(STABILITY_FILE, rounded(found.as_json()))
    return found


def met_of(spread: Spread) -> tuple[int, int]:
    """(facts met by the mean, all facts)."""
    return sum(row.passed for row in spread.rows), len(spread.rows)


def _chosen(only: Sequence[str]) -> list[_Change]:
    known = {change.name: change for change in CHANGES}
    for name in only:
        if name not in known:
            raise CommandLineError(f"--only {name}: no such variant; known: {', '.join(known)}")
    return [change for change in CHANGES if not only or change.name in only]


def _half(step_seconds: Decimal) -> str:
    """Half a step; of steps that have no half, the next smaller one."""
    if step_seconds > 1:
        return f"{max(1, int(step_seconds) // 2)}"
    return "0.5" if step_seconds == 1 else "0.25" if step_seconds > Decimal("0.25") else "0.1"


def _row(change: _Change, case: Case, base: Ensemble, ensemble: Ensemble) -> Changed:
    before, after = _loss(base.spread), _loss(ensemble.spread)
    moved = after.mean - before.mean
    return Changed(
        change.name,
        change.words,
        change.settings(case),
        after,
        moved,
        abs(moved) <= before.deviation,
        met_of(ensemble.spread),
        differences(case.facts, base.spread, ensemble.spread),
    )


def _loss(spread: Spread) -> Loss:
    found = spread.loss()
    if found is None:
        raise ValueError("a case without facts has no loss")
    return found

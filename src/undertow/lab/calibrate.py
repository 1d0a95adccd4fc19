"""Calibration: choose a case's free parameters so that the facts marked calibrate come out best.

Holds the loop over trials and its result. Where to look next is `search`, what was tried is in `journal`, the
loss is `spread`, which parameters are free stands in the case.

Every trial is scored at the same seeds (common random numbers), and only facts marked calibrate enter its
loss. A lucky draw flatters the best of many trials, so the case's own figures and the best are scored again
at fresh seeds, and both are reported. Controls, other days with the same crowd, are blocks of their own. A
draw that the engine could not finish costs the most a draw can.

Units: losses as in `spread`. Invariant: journal.jsonl is the whole state; the same case, seeds and version
give the same journal and calibration.json to the byte for any number of processes, stopped or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from undertow import __version__
from undertow.case.calibration import PARTS
from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.case.write import case_text
from undertow.errors import CaseError
from undertow.lab import journal
from undertow.lab.code import code_hash
from undertow.lab.ensemble import Variant, new_folder, run_variants, scored_variant_of
from undertow.lab.journal import Trial
from undertow.lab.pool import Pool
from undertow.lab.progress import Progress, Silent
from undertow.lab.search import (
    Dimension,
    Tried,
    dimension_of,
    own_values,
    require_libraries,
    suggested,
)
from undertow.lab.spread import Spread, rounded, spread_of
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder

RESULT_FILE = "calibration.json"
BEST_FILE = "best.toml"
TRIALS_LIMIT = 10_000


@dataclass(frozen=True)
class Plan:
    """How a calibration is run: `screen` trials (default a third), a search, then `check` fresh draws."""

    trials: int = 200
    screen: int | None = None
    seeds: tuple[int, ...] = (1, 2, 3, 4)
    check: int = 8
    seed: int = 1
    controls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """The case's own figures and the best, at seeds that no trial saw."""

    seeds: tuple[int, ...]
    own: Spread
    best: Spread


@dataclass(frozen=True)
class Calibration:
    """What came out; `checked` is None when there was no time or wish for it."""

    folder: Path
    status: str
    dimensions: tuple[Dimension, ...]
    trials: tuple[Trial, ...]
    checked: Checked | None

    @property
    def best(self) -> Trial:
        """The trial of least loss, the first of them."""
        return least(self.trials)

    def as_json(self) -> dict[str, Any]:
        """The content of calibration.json."""
        checked = None
        if self.checked is not None:
            checked = {
                "seeds": list(self.checked.seeds),
                "own": self.checked.own.as_json(),
                "best": self.checked.best.as_json(),
            }
        return {
            "status": self.status,
            "trials": len(self.trials),
            "own": self.trials[0].as_line(),
            "best": self.best.as_line(),
            "checked": checked,
        }


def calibrate(
    case: str | Path,
    plan: Plan | None = None,
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    out: Path | None = None,
    *,
    resume: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Calibration:
    """Search the free parameters of a case, into a new folder or on in the one named by `resume`.

    Ctrl-C keeps the trials that are done. Raises InputError for anything wrong with what was given, and when
    the extra `lab` is not installed.
    """
    plan = plan or Plan()
    base = scored_variant_of(case, settings, data)
    dimensions = free_parameters(base.case)
    require_libraries()
    with Pool(jobs) as pool:
        fit = _Fit(
            case, base, tuple(_control(each, base) for each in plan.controls), pool, progress or Silent()
        )
        screen = plan.trials // 3 if plan.screen is None else plan.screen
        trials: list[Trial] = []
        if resume is None:
            folder = new_folder(out, f"{base.case.name}-calibration")
            journal.append(folder, fit.header(plan, screen))
        else:
            folder, (was, trials) = resume, journal.read(resume)
            screen = was.get("screen", screen) if plan.screen is None else plan.screen
            journal.require_same(folder, was, fit.header(plan, screen))
        own = own_values(base.case, dimensions)
        while len(trials) < plan.trials:
            tried = [Tried(trial.values, trial.loss.total) for trial in trials]
            values = suggested(dimensions, tried, own, screen, plan.seed)
            spreads = fit.scored([values], plan.seeds, _label(trials, plan))
            if spreads is None:
                break
            line = _trial(len(trials), values, spreads[0]).as_line()
            journal.append(folder, line)
            trials.append(Trial.from_line(line))  # as a resumed search would read it
        if not trials:
            raise KeyboardInterrupt
        checked = _check(fit, plan, trials) if len(trials) >= plan.trials and plan.check else None
    whole = len(trials) >= plan.trials and (checked is not None or not plan.check)
    found = Calibration(folder, COMPLETE if whole else PARTIAL, dimensions, tuple(trials), checked)
    RunFolder(folder).write_json(RESULT_FILE, found.as_json())
    RunFolder(folder).write_text(BEST_FILE, overrides_text(found.best.values, _headline(found)))
    return found


def free_parameters(case: Case) -> tuple[Dimension, ...]:
    """A case's free parameters. Raises CaseError when it names none."""
    if not case.calibration:
        raise CaseError(f"{case.name}: calibration: no parameter is free; add [[calibration]] rows")
    return tuple(dimension_of(row) for row in case.calibration)


def overrides_text(values: Mapping[str, float], headline: str) -> str:
    """Figures as TOML, ready to paste into a case; rows of lists, which TOML cannot reach, as comments."""
    tables: dict[str, list[str]] = {}
    rows: list[str] = []
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        if any(part.isdigit() for part in key.split(".")):
            rows.append(f"# --set {key}={value:g}")
        else:
            tables.setdefault(table, []).append(f"{name} = {figure_text(value)}")
    lines = [f"# {headline}"]
    for table, entries in tables.items():
        lines += ["", f"[{table}]", *entries]
    if rows:
        lines += ["", "# figures in rows of a list; write them where the row stands:", *rows]
    return "\n".join(lines) + "\n"


def figure_text(value: float) -> str:
    """A figure as a case writes it."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.6g}"


def _headline(found: Calibration) -> str:
    own, best = found.trials[0].loss.total, found.best
    return f"trial {best.number} of {len(found.trials)}: loss {best.loss.total:.4f}, the case's own {own:.4f}"


def _label(trials: Sequence[Trial], plan: Plan) -> str:
    best = min((trial.loss.total for trial in trials), default=None)
    so_far = "" if best is None else f", best loss {best:.3f}"
    return f"Trial {len(trials) + 1} of {plan.trials}{so_far}"


def _control(case: str, base: Variant) -> Variant:
    """A control with the accounts, crowd and weather that were set for the case itself."""
    shared = {
        key: value
        for key, value in base.settings.items()
        if key == "accounts" or key.partition(".")[0] in PARTS
    }
    control = scored_variant_of(case, shared, name=case)
    if not any(fact.calibrate for fact in control.case.facts):
        raise CaseError(f"{control.name}: facts: none is marked calibrate, so a fit cannot see this control")
    return control


@dataclass(frozen=True)
class _Fit:
    """What every trial runs: the case and its controls."""

    case: str | Path
    base: Variant
    controls: tuple[Variant, ...]
    pool: Pool
    progress: Progress

    def header(self, plan: Plan, screen: int) -> dict[str, Any]:
        """What a journal must agree on to be gone on with; the number of trials may change."""
        figures = asdict(plan)
        figures.pop("trials")
        figures["screen"] = screen
        texts = [case_text(each.case) for each in (self.base, *self.controls)]
        found: dict[str, Any] = rounded(
            {
                "case": self.base.case.name,
                "case_hash": hashlib.sha256("".join(texts).encode()).hexdigest()[:16],
                "version": __version__,
                "code_hash": code_hash(),
                "data": "facts" if self.base.data is None else "recorded",
                "settings": {key: str(value) for key, value in self.base.settings.items()},
                **figures,
            }
        )
        return found

    def scored(
        self, points: Sequence[Mapping[str, float]], seeds: Sequence[int], label: str
    ) -> list[Spread] | None:
        """The facts at each point over the seeds; None when it was stopped before the end.

        Figures that no case can have together cost the most there is.
        """
        found: dict[int, list[Variant]] = {}
        for number, values in enumerate(points):
            try:
                found[number] = self._at(values)
            except CaseError:
                continue
        variants = [each for group in found.values() for each in group]
        with TemporaryDirectory() as place:
            folders = [Path(place) / str(number) for number in range(len(variants))]
            for folder in folders:
                folder.mkdir()
            done = (
                run_variants(variants, seeds, self.pool, self.progress, folders, label=label)
                if variants
                else []
            )
        if any(ensemble.status != COMPLETE for ensemble in done):
            return None
        spreads = iter([ensemble.spread for ensemble in done])
        failed = [spread_of(each.case.facts, [None] * len(seeds), each.case.start) for each in self._all]
        return [
            self._joined([next(spreads) for _ in self._all] if number in found else failed)
            for number in range(len(points))
        ]

    @property
    def _all(self) -> tuple[Variant, ...]:
        return (self.base, *self.controls)

    def _at(self, values: Mapping[str, float]) -> list[Variant]:
        """The case and its controls with these figures."""
        figures = {key: figure_text(value) for key, value in values.items()}
        variants = []
        for case, each in zip((self.case, *(each.name for each in self.controls)), self._all, strict=True):
            settings = {**each.settings, **figures}
            variants.append(Variant(each.name, load_case(case, settings), settings, each.data))
        return variants

    def _joined(self, spreads: Sequence[Spread]) -> Spread:
        """One table: the case's facts, then each control's as a block of its own."""
        rows = list(spreads[0].rows)
        for control, spread in zip(self.controls, spreads[1:], strict=True):
            name = control.case.name
            rows += [replace(row, id=f"{name}: {row.id}", block=name) for row in spread.rows]
        return Spread(tuple(rows), spreads[0].draws)


def _check(fit: _Fit, plan: Plan, trials: Sequence[Trial]) -> Checked | None:
    """The case's own figures and the best at fresh seeds; None when it was stopped."""
    first = max(plan.seeds) + 1
    seeds = tuple(range(first, first + plan.check))
    both = [trials[0].values, least(trials).values]
    spreads = fit.scored(both, seeds, f"Checking at {plan.check} fresh seeds")
    return None if spreads is None else Checked(seeds, *spreads)


def least(trials: Sequence[Trial]) -> Trial:
    """The trial of least loss, the first of them."""
    return min(trials, key=lambda trial: trial.loss.total)


def _trial(number: int, values: dict[str, float], spread: Spread) -> Trial:
    loss = spread.loss(True)
    if loss is None:
        raise CaseError("facts: none is marked calibrate, so there is nothing to fit to")
    fitted = [row for row in spread.rows if row.calibrated]
    return Trial(
        number,
        values,
        loss,
        {row.id: row.centre for row in spread.rows},
        {row.id: row.problem for row in fitted if row.problem},
    )

"""Calibration: choose a case's free parameters so that the facts marked calibrate come out best.

Holds the loop over trials, its journal and its result. Where to look next is `search`, the loss is `spread`,
which parameters are free stands in the case.

Every trial is scored at the same seeds (common random numbers), and only facts marked calibrate enter its
loss. A lucky draw flatters the best of many trials, so the case's own figures and the best are scored again
at fresh seeds, and both are reported. A draw that the engine could not finish costs the most a draw can.

Units: losses as in `spread`. Invariant: journal.jsonl is the whole state; the same case, seeds and version
give the same journal and calibration.json to the byte for any number of processes, stopped or not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from undertow import __version__
from undertow._jit import source_hash
from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.case.write import case_text
from undertow.errors import CaseError, DataError, InputError
from undertow.lab.ensemble import Variant, new_folder, run_variants, variant_of
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
from undertow.lab.spread import Loss, Spread, rounded
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder

JOURNAL_FILE = "journal.jsonl"
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


@dataclass(frozen=True)
class Trial:
    """One line of the journal."""

    number: int
    values: dict[str, float]
    loss: Loss
    facts: dict[str, float | None]
    problems: dict[str, str]


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
        return min(self.trials, key=lambda trial: trial.loss.total)

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
            "own": _line(self.trials[0]),
            "best": _line(self.best),
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
    plan, listener = plan or Plan(), progress or Silent()
    base = variant_of(case, settings, data)
    dimensions = free_parameters(base.case)
    require_libraries()
    if resume is None:
        screen = plan.trials // 3 if plan.screen is None else plan.screen
        folder = new_folder(out, f"{base.case.name}-calibration")
        trials: list[Trial] = []
        _append(folder, _header(base, plan, screen))
    else:
        folder, (screen, trials) = resume, _resumed(resume, base, plan)
    own = own_values(base.case, dimensions)
    with Pool(jobs) as pool:
        while len(trials) < plan.trials:
            tried = [Tried(trial.values, trial.loss.total) for trial in trials]
            values = suggested(dimensions, tried, own, screen, plan.seed)
            spreads = _scored(case, base, [values], plan.seeds, pool, listener, _label(trials, plan))
            if spreads is None:
                break
            line = _line(_trial(len(trials), values, spreads[0]))
            _append(folder, line)
            trials.append(_read(line))  # as a resumed search would read it
        if not trials:
            raise KeyboardInterrupt
        checked = None
        done = Calibration(folder, PARTIAL, dimensions, tuple(trials), None)
        if len(trials) >= plan.trials and plan.check:
            seeds = tuple(range(max(plan.seeds) + 1, max(plan.seeds) + 1 + plan.check))
            both = [trials[0].values, done.best.values]
            spreads = _scored(
                case, base, both, seeds, pool, listener, f"Checking at {plan.check} fresh seeds"
            )
            if spreads is not None:
                checked = Checked(seeds, *spreads)
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


def _scored(
    case: str | Path,
    base: Variant,
    points: Sequence[Mapping[str, float]],
    seeds: Sequence[int],
    pool: Pool,
    progress: Progress,
    label: str,
) -> list[Spread] | None:
    """The facts at each point over the seeds; None when it was stopped before the end."""
    variants = []
    for values in points:
        settings = {**base.settings, **{key: figure_text(value) for key, value in values.items()}}
        variants.append(Variant(base.name, load_case(case, settings), settings, base.data))
    with TemporaryDirectory() as place:
        folders = [Path(place) / str(number) for number in range(len(points))]
        for folder in folders:
            folder.mkdir()
        ensembles = run_variants(variants, seeds, pool, progress, folders, label=label)
    if any(ensemble.status != COMPLETE for ensemble in ensembles):
        return None
    return [ensemble.spread for ensemble in ensembles]


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


def _line(trial: Trial) -> dict[str, Any]:
    found: dict[str, Any] = rounded(asdict(trial))
    return found


def _header(base: Variant, plan: Plan, screen: int | None) -> dict[str, Any]:
    """What a journal must agree on to be gone on with; the number of trials may change."""
    figures = asdict(plan)
    figures.pop("trials")
    figures["screen"] = screen
    text = case_text(base.case).encode()
    return {
        "case": base.case.name,
        "case_hash": hashlib.sha256(text).hexdigest()[:16],
        "version": __version__,
        "source_hash": source_hash(),
        "data": "facts" if base.data is None else "recorded",
        "settings": {key: str(value) for key, value in base.settings.items()},
        **rounded(figures),
    }


def _append(folder: Path, line: Mapping[str, Any]) -> None:
    try:
        with (folder / JOURNAL_FILE).open("a", encoding="utf-8", newline="\n") as journal:
            journal.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"{folder / JOURNAL_FILE}: cannot write: {error.strerror}") from None


def _resumed(folder: Path, base: Variant, plan: Plan) -> tuple[int, list[Trial]]:
    """Length of the screen and trials of a journal; a last line that a kill cut off is taken away."""
    path = folder / JOURNAL_FILE
    if not path.is_file():
        raise InputError(f"{folder}: holds no calibration: it has no {JOURNAL_FILE}")
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    lines = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise DataError(
                f"{path}: line {number} is not valid JSON; take it and what follows away"
            ) from None
    if not lines:
        raise DataError(f"{path}: is empty; start a new calibration")
    header = _header(base, plan, lines[0].get("screen") if plan.screen is None else plan.screen)
    differing = [key for key, value in header.items() if lines[0].get(key) != value]
    if differing:
        key = differing[0]
        was, now = lines[0].get(key), header[key]
        raise InputError(f"{path}: was begun with {key} = {was}, now it is {now}; start a new calibration")
    if whole != text:
        path.write_text(whole, "utf-8", newline="\n")
    return lines[0]["screen"], [_read(line) for line in lines[1:]]


def _read(line: Mapping[str, Any]) -> Trial:
    loss = Loss(**{**line["loss"], "draws": tuple(line["loss"]["draws"])})
    return Trial(**{**line, "loss": loss})

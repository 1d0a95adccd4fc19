"""Sensitivity: what the score does when one parameter moves and everything else stays.

Holds the points and their comparison with the case as it is. Every free parameter goes to a quarter and to
three quarters of its range, on its own scale; further figures can be named with a range of their own. All
points are scored at the same seeds.

Units: losses as in `spread`; changes are point less case. One at a time misleads where causes substitute for
one another: a small change does not say that a parameter is idle. Invariant: two points a parameter, in the
order of the case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from undertow.case.calibration import figure_of, is_whole
from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.errors import CommandLineError, InputError
from undertow.lab.calibrate import figure_text, free_parameters
from undertow.lab.ensemble import Variant, new_folder, run_variants, scored_variant_of
from undertow.lab.pool import Pool
from undertow.lab.progress import Progress, Silent
from undertow.lab.search import Dimension
from undertow.lab.spread import Spread, rounded
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder

SENSITIVITY_FILE = "sensitivity.json"
QUARTERS = (0.25, 0.75)


@dataclass(frozen=True)
class Point:
    """One figure moved. `fitted` and `everything` are changes of loss; `met` of facts met by the mean."""

    key: str
    own: float
    value: float
    free: bool
    fitted: float | None
    everything: float
    met: int
    blocks: dict[str, float]


@dataclass(frozen=True)
class Sensitivity:
    """The case as it is, and every point that was scored."""

    folder: Path
    status: str
    base: Spread
    points: tuple[Point, ...]

    def as_json(self) -> dict[str, Any]:
        """The content of sensitivity.json."""
        return {
            "status": self.status,
            "base": self.base.as_json(),
            "points": [rounded(asdict(point)) for point in self.points],
        }


def sensitivity(
    case: str | Path,
    seeds: Sequence[int],
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    out: Path | None = None,
    *,
    also: Sequence[Dimension] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> Sensitivity:
    """Move one figure at a time and write sensitivity.json into a new folder. Ctrl-C keeps whole points."""
    base = scored_variant_of(case, settings, data)
    free = free_parameters(base.case) if base.case.calibration or not also else ()
    moves = [(each, each.at(share)) for each in (*free, *also) for share in QUARTERS]
    variants = [base]
    for each, value in moves:
        changed = {**base.settings, each.key: figure_text(value)}
        variants.append(Variant(base.name, load_case(case, changed), changed, data))
    folder = new_folder(out, f"{base.case.name}-sensitivity")
    places = [folder / ("base" if number == 0 else f"point-{number}") for number in range(len(variants))]
    for place in places:
        place.mkdir()
    label = f"Moving {len(moves)} figures, {len(seeds)} draws each"
    with Pool(jobs) as pool:
        ensembles = run_variants(variants, seeds, pool, progress or Silent(), places, label=label)
    if ensembles[0].status != COMPLETE:
        raise KeyboardInterrupt
    spread = ensembles[0].spread
    points = tuple(
        _point(base.case, each, value, each in free, spread, ensemble.spread)
        for (each, value), ensemble in zip(moves, ensembles[1:], strict=True)
        if ensemble.status == COMPLETE
    )
    status = COMPLETE if len(points) == len(moves) else PARTIAL
    found = Sensitivity(folder, status, spread, points)
    RunFolder(folder).write_json(SENSITIVITY_FILE, found.as_json())
    return found


def further(case: Case, texts: Sequence[str]) -> list[Dimension]:
    """Figures named on a command line as KEY=LOW:HIGH. Raises CommandLineError on anything else."""
    found = []
    for text in texts:
        key, _, span = text.partition("=")
        low_text, colon, high_text = span.partition(":")
        try:
            low, high = float(low_text), float(high_text)
        except ValueError:
            colon = ""
        if not colon or not low < high:
            raise CommandLineError(f"--also takes KEY=LOW:HIGH with LOW below HIGH, was given {text!r}")
        try:
            figure_of(case, key)
        except InputError as error:
            raise CommandLineError(f"--also {error}") from None
        found.append(Dimension(key, low, high, low > 0, is_whole(key)))
    return found


def _point(case: Case, each: Dimension, value: float, free: bool, base: Spread, moved: Spread) -> Point:
    whole, before = moved.loss(), base.loss()
    if whole is None or before is None:
        raise ValueError("a case without facts has no sensitivity")
    fitted, fitted_before = moved.loss(True), base.loss(True)
    return Point(
        each.key,
        figure_of(case, each.key),
        value,
        free,
        None if fitted is None or fitted_before is None else fitted.total - fitted_before.total,
        whole.total - before.total,
        _met(moved) - _met(base),
        {name: cost - before.blocks[name] for name, cost in whole.blocks.items()},
    )


def _met(spread: Spread) -> int:
    return sum(row.passed for row in spread.rows)

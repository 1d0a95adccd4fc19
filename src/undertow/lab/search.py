"""Where a calibration looks next: the case's own figures, a Sobol screen, then a tree-structured search.

Holds the choice of parameters only; running and scoring them is `calibrate`. scipy gives the Sobol set,
Optuna the search (multivariate tree-structured Parzen estimator); both belong to the extra `lab` and are
imported when first needed.

Method: what comes next is a function of the seed, the trial's number and the trials before it, nothing else,
so a journal of trials is the whole state: a search that was stopped goes on as if it had not been.
Units: those of each parameter. Invariant: values lie in their ranges, whole where the figure is whole, and
are rounded to six figures before anything is run, so that what is written down is what was tried.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from undertow import streams
from undertow.case.calibration import figure_of, is_whole
from undertow.case.model import Case, FreeParameter
from undertow.errors import InputError

SAMPLER_START = 8  # trials before the search models anything; a screen is longer than this
FIGURES = 6
MISSING = "needs scipy and optuna, which are not installed; install them with: pip install 'undertow[lab]'"


@dataclass(frozen=True)
class Dimension:
    """One free parameter as the search sees it."""

    key: str
    low: float
    high: float
    logarithmic: bool
    whole: bool

    def at(self, share: float) -> float:
        """The value at a share of the range, 0 to 1, on its own scale."""
        if self.logarithmic:
            value = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        else:
            value = self.low + share * (self.high - self.low)
        return self.rounded(value)

    def rounded(self, value: float) -> float:
        """The value as it is written down: in range, whole or to six figures."""
        inside = min(max(value, self.low), self.high)
        return float(round(inside)) if self.whole else float(f"{inside:.{FIGURES}g}")


@dataclass(frozen=True)
class Tried:
    """A trial that is over: what was tried and what it cost."""

    values: Mapping[str, float]
    loss: float


def dimension_of(row: FreeParameter) -> Dimension:
    """A row of [[calibration]] as the search sees it."""
    return Dimension(row.key, row.low, row.high, row.scale == "log", is_whole(row.key))


def own_values(case: Case, dimensions: Sequence[Dimension]) -> dict[str, float]:
    """The case's own figures, as they stand there."""
    return {each.key: figure_of(case, each.key) for each in dimensions}


def require_libraries() -> None:
    """Raise InputError, once and in words, when the extra `lab` is not installed."""
    try:
        import optuna  # noqa: F401 looked for, not used
        import scipy  # noqa: F401 looked for, not used
    except ImportError:
        raise InputError(f"a calibration {MISSING}") from None


def suggested(
    dimensions: Sequence[Dimension], tried: Sequence[Tried], own: Mapping[str, float], screen: int, seed: int
) -> dict[str, float]:
    """What comes after these trials: first the case's own figures, then `screen` points, then a search."""
    number = len(tried)
    if number == 0:
        return dict(own)
    if number <= screen:
        shares = _sobol(len(dimensions), number, seed)
        return {each.key: each.at(share) for each, share in zip(dimensions, shares, strict=True)}
    return _searched(dimensions, tried, seed)


def _sobol(dimensions: int, number: int, seed: int) -> list[float]:
    """Point `number` (1 ..) of a scrambled Sobol set."""
    from scipy.stats import qmc

    engine = qmc.Sobol(dimensions, scramble=True, rng=streams.derived_seed(seed, "calibration: screen"))
    if number > 1:
        engine.fast_forward(number - 1)
    return [float(share) for share in engine.random(1)[0]]


def _searched(dimensions: Sequence[Dimension], tried: Sequence[Tried], seed: int) -> dict[str, float]:
    """The next point of the search, from all trials so far."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {each.key: _distribution(optuna, each) for each in dimensions}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            multivariate=True,
            n_startup_trials=SAMPLER_START,
            seed=streams.derived_seed(seed, "calibration: search", len(tried)) % 2**32,
        )
    study = optuna.create_study(sampler=sampler)
    for trial in tried:
        if all(each.low <= trial.values[each.key] <= each.high for each in dimensions):
            values = {each.key: _typed(each, trial.values[each.key]) for each in dimensions}
            study.add_trial(
                optuna.trial.create_trial(params=values, distributions=distributions, value=trial.loss)
            )
    asked = study.ask(distributions)
    return {each.key: each.rounded(float(asked.params[each.key])) for each in dimensions}


def _distribution(optuna: Any, each: Dimension) -> Any:
    if each.whole:
        return optuna.distributions.IntDistribution(int(each.low), int(each.high), log=each.logarithmic)
    return optuna.distributions.FloatDistribution(each.low, each.high, log=each.logarithmic)


def _typed(each: Dimension, value: float) -> float | int:
    return int(value) if each.whole else value

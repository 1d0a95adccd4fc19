"""Every figure of a case at its bounds: it plays a few steps and the books balance, or it is refused.

The single bounds let absurd combinations through (an exponent of ten over a spread of ten); what they lead to
must be a sentence, never a wrapped integer that nobody sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.errors import InvariantError, UndertowError
from undertow.lab.countable import countable
from undertow.lab.venues import build_venues, view_of
from undertow.rulebook.limits import bounds_of, figure_of

SMALL = ROOT / "docs/how-to/small-crash.toml"
ELSEWHERE = ("accounts", "step_seconds", "draws", "beside", "facts", "calibration")


def figures(part: BaseModel, above: str = "") -> Iterator[tuple[str, float, float]]:
    """The dotted key of every figure with its least and its largest value; of a list its first row's."""
    for name, field in type(part).model_fields.items():
        value: Any = getattr(part, name)
        if not above and name in ELSEWHERE:
            continue
        if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            yield from figures(value[0], f"{above}{name}.0.")
        elif isinstance(value, BaseModel):
            yield from figures(value, f"{above}{name}.")
        elif figure_of(field.annotation) is not None:
            bounds = bounds_of(field)
            lows = [getattr(bound, "ge", getattr(bound, "gt", None)) for bound in bounds]
            highs = [getattr(bound, "le", getattr(bound, "lt", None)) for bound in bounds]
            closed = all(not hasattr(bound, "lt") for bound in bounds)
            high = min(high for high in highs if high is not None)
            yield (
                f"{above}{name}",
                max(low for low in lows if low is not None),
                high if closed else 0.999 * high,
            )


def play(changes: dict[str, Any]) -> None:
    """The small case with these changes, for three steps."""
    case = load_case(SMALL, {"accounts": 100, "end": "2025-01-01T12:00:20Z", **changes})
    with countable(case.name):
        (built,) = build_venues(case, None, 1, False).built
        for step in (1, 2, 3):
            commands = built.crowd.act(view_of(built, step))
            built.crowd.heard(commands, built.engine.submit(commands))
            built.engine.step(step * case.step_ms, built.outside_ticks[step])
            built.weather.record(built.crowd.messages, 0, built.outside_ticks[step])
    built.engine.audit()


FIGURES = list(figures(load_case(SMALL)))


def test_there_are_many() -> None:
    assert len(FIGURES) > 200
    assert isinstance(load_case(SMALL), Case)


@pytest.mark.nightly
@pytest.mark.parametrize(("key", "low", "high"), FIGURES, ids=[key for key, _, _ in FIGURES])
def test_at_its_bounds_it_plays_or_is_refused(key: str, low: float, high: float) -> None:
    for value in (low, high):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a figure that is no number any more
            try:
                play({key: value})
            except InvariantError:
                raise
            except UndertowError as error:
                assert 0 < len(str(error)) < 2000

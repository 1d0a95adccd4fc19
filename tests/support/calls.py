"""The same facade calls to two venues, written down as Python: one finds danger by triggers, one by scanning.

Holds the pair and its script. Every call's answer, and every step's log and state, must be equal on both. The
arenas of the one that scans are cut down to what they hold before every call, so everything it appends meets
the end of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from support.tiny import shrink
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue import danger_reference
from undertow.venue.engine import Drained, Engine
from undertow.venue.facade import Venue

HEADER = """\
from decimal import Decimal

from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.facade import Venue
"""


def watch_danger(engine: Engine, value: bool) -> list[int]:
    """A list that holds, after every step, who was found in danger; `value` compares with plain Python."""
    found: list[int] = []
    find = engine.find_danger

    def find_and_compare() -> int:
        count = find()
        found[:] = engine.candidates().tolist()
        if value:
            assert found == danger_reference.candidates(engine.state)
        return count

    engine.find_danger = find_and_compare  # type: ignore[method-assign]
    return found


class Calls:
    """Two venues under one rulebook; `self("place", ...)` is `venue.place(...)` on both."""

    def __init__(self, preset: str, changes: Mapping[str, Any], **options: Any) -> None:
        rulebook = with_overrides(load_rulebook(preset), changes)
        self.rulebook = rulebook
        self.venue, self.twin = (Venue(rulebook, oracle=oracle, **options) for oracle in (False, True))
        self.below = watch_danger(self.venue.engine, value=True)
        self.below_by_scan = watch_danger(self.twin.engine, value=False)
        arguments = "".join(f", {name}={value!r}" for name, value in options.items())
        build = f"with_overrides(load_rulebook({preset!r}), {dict(changes)!r})" if changes else repr(preset)
        self.lines = [f"venue = Venue({build}{arguments})"]

    def __call__(self, method: str, *args: Any, **keywords: Any) -> Any:
        """Call both venues; returns the answer they agree on."""
        words = [repr(value) for value in args] + [f"{name}={value!r}" for name, value in keywords.items()]
        self.lines.append(f"venue.{method}({', '.join(words)})")
        answer = getattr(self.venue, method)(*args, **keywords)
        shrink(self.twin.engine.state)
        other = getattr(self.twin, method)(*args, **keywords)
        assert answer == other, f"{answer} by triggers, {other} by the scan"
        return answer

    def step(self) -> Drained:
        """A second on both; returns the log of everything since the last step."""
        self("step")
        logs = self.venue.engine.drain(), self.twin.engine.drain()
        for mine, other in zip(*logs, strict=True):
            assert np.array_equal(mine, other)  # field by field: what pads a record may differ
        assert self.venue.state_hash() == self.twin.state_hash()
        assert self.below == self.below_by_scan
        return logs[0]

    def script(self) -> str:
        """The calls as a program."""
        return "\n".join([HEADER, *self.lines])


def cash_by_postings(log: Drained, accounts: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """What the log's postings say every account's cash changed by."""
    change = np.zeros(accounts, np.int64)
    cash = log.postings[log.postings["asset"] < 1000]
    for column, sign in (("target", 1), ("source", -1)):
        inside = cash[column] >= 0
        np.add.at(change, cash[column][inside], sign * cash["amount"][inside])
    return change

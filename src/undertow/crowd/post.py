"""Messages on their way: what was said while the venue's queue was long arrives in a later step.

Holds the commands that have not arrived yet. Holds no weather: the age of a message is the view's.

Units: steps. Invariant: messages arrive in the order in which they were sent, none lost and none doubled; one
younger than a step arrives in the step in which it was sent, unless an older one is still on its way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.view import Commands, View, together


class Post:
    """The queue at the venue's door, first in, first out."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Commands]] = []  # step of arrival, what was sent in one step
        self._last = 0

    def passed(self, commands: Commands, view: View) -> Commands:
        """Send these, and return what arrives in this step, the oldest first."""
        due = view.step + int(view.latency_s / view.step_seconds)
        self._last = max(due, self._last)
        self._waiting.append((self._last, commands))
        arrived = [sent for step, sent in self._waiting if step <= view.step]
        self._waiting = self._waiting[len(arrived) :]
        return together(arrived)

    def memory(self) -> dict[str, NDArray[Any]]:
        """What is on its way: step of arrival of each batch, its length, and the commands."""
        sizes = [(step, len(sent)) for step, sent in self._waiting]
        return {
            "batches": np.array([*sizes, (self._last, 0)], np.int64),
            "commands": together([sent for _step, sent in self._waiting]),
        }

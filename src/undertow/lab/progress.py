"""How far a long piece of work is: what the lab tells, and a listener that says nothing.

Holds the agreement only; bars and lines are drawn by `undertow.views.progress`.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listens to one piece of work at a time."""

    def begin(self, label: str, total: int | None = None) -> None:
        """A stage starts; `total` counts its steps, None when nobody knows."""

    def advance(self, steps: int = 1) -> None:
        """Some steps of the stage are done."""

    def note(self, text: str) -> None:
        """Something worth a line happened."""

    def end(self) -> None:
        """The stage is over, done or not."""


class Silent:
    """A listener for scripts and tests."""

    def begin(self, label: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, steps: int = 1) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""

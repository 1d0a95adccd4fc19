"""From a rulebook's kinds to the stages that carry them out.

Holds the choice and the translation of figures; the work is in the modules named here. Adding a pacing means
adding a module and one entry below.

Units: settlement units, ppm, milliseconds. Invariant: every kind a rulebook may name has exactly one stage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from undertow.rulebook.model import Rulebook
from undertow.venue.allocation.policy import LargestPositions, policy
from undertow.venue.allocation.winners import Policy
from undertow.venue.closing import BadDebt, ClosingRule
from undertow.venue.paced import FillableStage, PacedStage, SlicesStage, StagedStage
from undertow.venue.pacing_one_shot import OneShot, one_shot

if TYPE_CHECKING:
    from undertow.venue.engine import Engine, Stage


def closing_rule(rulebook: Rulebook) -> ClosingRule:
    """Stage 4 as the rulebook wants it."""
    rule = rulebook.allocation
    chosen: Policy
    if rule.policy == "bad-debt":
        chosen = BadDebt()
    elif rule.policy == "queue" and rule.group:
        chosen = LargestPositions("largest-positions", rule.group)
    else:
        chosen = policy(rule.score if rule.policy == "queue" else rule.policy)
    return ClosingRule(
        chosen,
        rule.price,
        True,
        int(rulebook.insurance.cover == "whole-or-nothing"),
        rule.trigger == "fund-exhausted",
    )


class OneShotStage(PacedStage):
    """Pacing "one-shot": everything in the step in which an account is found."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        figures, insurance = rulebook.liquidation, rulebook.insurance
        self.rule = OneShot(
            whole_position=int(figures.slicing != "smallest-restoring"),
            all_or_nothing=int(figures.fill == "all-or-nothing"),
            at_band=int(figures.limit == "market-band"),
            fund_takes_over=int(rulebook.backstop.kind == "fund"),
            net_limit_ppm=insurance.net_position_limit_ppm,
            whole_or_nothing=int(insurance.cover == "whole-or-nothing"),
        )

    def __call__(self, engine: Engine, seconds: int) -> None:
        """One pass over the listed accounts; those frozen in an earlier step and healthy again go free."""
        one_shot(engine.state, self.rule, self.let_go(engine.state))


PACINGS: dict[str, Callable[[Rulebook], Stage]] = {
    "one-shot": OneShotStage,
    "random-slices": SlicesStage,
    "staged": StagedStage,
    "fillable-price": FillableStage,
}


def liquidation_stage(rulebook: Rulebook) -> Stage:
    """Stages 1 to 3 as the rulebook wants them."""
    return PACINGS[rulebook.liquidation.pacing](rulebook)

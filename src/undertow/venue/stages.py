"""From a rulebook's kinds to the stages that carry them out.

Holds the choice and the translation of figures; the work is in the modules named here. Adding a pacing means adding a
module and one entry below.

Units: settlement units, ppm, milliseconds. Invariant: every kind a rulebook may name has exactly one stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from undertow.errors import RulebookError
from undertow.rulebook.model import Rulebook
from undertow.venue.allocation.policy import LargestPositions, policy
from undertow.venue.allocation.winners import Policy
from undertow.venue.closing import BadDebt, ClosingRule
from undertow.venue.liquidation import OneShot, one_shot

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


def liquidation_stage(rulebook: Rulebook) -> Stage:
    """Stages 1 to 3 as the rulebook wants them."""
    if rulebook.liquidation.pacing == "one-shot":
        return _one_shot_stage(rulebook)
    raise RulebookError(f"liquidation.pacing {rulebook.liquidation.pacing!r} has no stage")


def _one_shot_stage(rulebook: Rulebook) -> Stage:
    liquidation = rulebook.liquidation
    rule = OneShot(
        whole_position=int(liquidation.slicing != "smallest-restoring"),
        all_or_nothing=int(liquidation.fill == "all-or-nothing"),
        at_band=int(liquidation.limit == "market-band"),
        fund_takes_over=int(rulebook.backstop.kind == "fund"),
        net_limit_ppm=rulebook.insurance.net_position_limit_ppm,
        whole_or_nothing=int(rulebook.insurance.cover == "whole-or-nothing"),
    )

    def stage(engine: Engine, seconds: int) -> None:
        one_shot(engine.state, rule)

    return stage


def disposal_stage(rulebook: Rulebook) -> Stage:
    """How the house sells what it took over."""

    def stage(engine: Engine, seconds: int) -> None:
        return

    return stage

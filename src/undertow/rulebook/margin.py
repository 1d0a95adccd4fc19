"""What a position requires: margin classes of contracts, in the four shapes that venues use.

Holds the models and the exact tier arithmetic. Holds no valuation of accounts (the venue's `margin`).

Units: rates in ppm, caps and deductions in settlement units (coins where the venue settles in a coin),
sizes of stepped limits in coins. Rounding: an initial rate from a leverage is rounded up; deductions are
exact or refused. Invariant: maintenance is continuous in the notional and its rate never falls as the
position grows.

Sources: deductions cum_k = cum_{k-1} + floor_k x (rate_k - rate_{k-1}), mechanisms 2.3 and 4; square root
1.3; steps 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from undertow.rulebook.base import Factor, Loc, Money, Needs, Rate, Row, Share, Table, micros
from undertow.rulebook.faults import suggest
from undertow.units import PPM

Leverage = Annotated[int, Field(strict=True, ge=1, le=1000)]


class Tier(NamedTuple):
    """One tier in integers: starts at `floor_micros` of notional."""

    floor_micros: int
    maintenance_ppm: int
    deduction_micros: int
    initial_ppm: int


def maintenance_deductions(floors_micros: list[int], rates_ppm: list[int]) -> list[int]:
    """What each tier subtracts from notional x rate so that maintenance is continuous, in micros.

    cum_0 = 0, cum_k = cum_{k-1} + floor_k x (rate_k - rate_{k-1}) / 1e6. Exact: ValueError names the tier
    whose floor would need a fraction of a micro-unit. Source: mechanisms 2.3.
    """
    deductions = [0]
    for row in range(1, len(rates_ppm)):
        step = floors_micros[row] * (rates_ppm[row] - rates_ppm[row - 1])
        if step % PPM:
            raise ValueError(row)
        deductions.append(deductions[-1] + step // PPM)
    return deductions


class Bracket(Row):
    """One row of a bracket table: holds up to and including `cap_usd` of notional.

    The cap of the last row is the largest position, resting orders counted; an order beyond it is refused.
    """

    cap_usd: Money | None = None  # the last row may leave it out: no limit
    max_leverage: Leverage
    maintenance_ppm: Share
    deduction_usd: Money | None = None  # checked against the recursion when it is written down


class MarginClass(Table):
    """Margin of a class of contracts.

    `brackets`: maintenance = notional x rate - deduction, initial = notional / leverage up to the bracket's
    cap. `sqrt`: initial max(floor, factor x sqrt(coins)), maintenance max(floor, share x factor x
    sqrt(coins)), both times `weight_ppm`; a long needs `long_cap_ppm` of its notional at most (0: no cap),
    because it cannot lose more than it is worth. `steps`: base rates plus one maintenance rate for each
    started step of coins above the base. `flat`: constant rates; initial rises to 100 % as open interest
    goes from `oi_lower_usd` to `oi_upper_usd`.
    """

    NEEDS: ClassVar[Needs] = {
        "kind": {
            "brackets": ("brackets",),
            "sqrt": (
                "initial_floor_ppm",
                "maintenance_floor_ppm",
                "factor_ppb",
                "maintenance_share_ppm",
                "weight_ppm",
                "long_cap_ppm",
            ),
            "steps": ("base_coin", "step_coin", "initial_ppm", "maintenance_ppm"),
            "flat": ("initial_ppm", "maintenance_ppm", "oi_lower_usd", "oi_upper_usd"),
        }
    }

    kind: Literal["brackets", "sqrt", "steps", "flat"]
    brackets: tuple[Bracket, ...] = ()
    initial_floor_ppm: Rate = 0
    maintenance_floor_ppm: Rate = 0
    factor_ppb: Factor = 0
    maintenance_share_ppm: Share = 0
    weight_ppm: Rate = PPM
    long_cap_ppm: Rate = 0
    base_coin: Money = Decimal(0)
    step_coin: Money = Decimal(0)
    initial_ppm: Rate = 0
    maintenance_ppm: Rate = 0
    oi_lower_usd: Money = Decimal(0)
    oi_upper_usd: Money = Decimal(0)

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Tables that are not monotone, or whose figures contradict each other."""
        if self.kind == "brackets":
            yield from _bracket_faults(self.brackets)
        if self.kind == "sqrt" and self.maintenance_floor_ppm > self.initial_floor_ppm:
            yield self._above("maintenance_floor_ppm", "initial_floor_ppm")
        if self.kind == "sqrt" and 0 < self.long_cap_ppm < self.initial_floor_ppm * self.weight_ppm // PPM:
            wrong = f"is {self.long_cap_ppm}, below the floor of initial margin"
            yield (
                ("long_cap_ppm",),
                f"{wrong}; give at least the floor, 1000000 for the whole, or 0 for no cap",
            )
        if self.kind in ("steps", "flat") and self.maintenance_ppm > self.initial_ppm:
            yield self._above("maintenance_ppm", "initial_ppm")
        if self.kind == "steps" and self.step_coin == 0:
            yield ("step_coin",), "is 0; a step must be larger than 0 coins"
        if self.kind == "flat" and self.oi_lower_usd >= max(self.oi_upper_usd, Decimal("0.000001")):
            yield ("oi_upper_usd",), "is not above oi_lower_usd; make it larger, or both 0 for no scaling"

    def _above(self, key: str, other: str) -> tuple[Loc, str]:
        wrong = f"is {getattr(self, key)}, above {other} {getattr(self, other)}"
        return (key,), f"{wrong}; maintenance may not be larger than initial margin"

    def floors_micros(self) -> list[int]:
        """Where each bracket starts: the cap of the one before, 0 for the first."""
        caps = [micros(row.cap_usd) for row in self.brackets[:-1] if row.cap_usd is not None]
        return [0, *caps]

    def maintenance_deductions(self) -> list[int]:
        """Deduction of each bracket in micros, by the recursion `maintenance_deductions`."""
        return maintenance_deductions(self.floors_micros(), [row.maintenance_ppm for row in self.brackets])

    def tiers(self) -> list[Tier]:
        """The bracket table in integers; empty for the other kinds. The initial rate is 1/leverage rounded
        up.
        """
        if self.kind != "brackets":
            return []
        rows = zip(self.floors_micros(), self.maintenance_deductions(), self.brackets, strict=True)
        return [
            Tier(floor, row.maintenance_ppm, deduction, -(-PPM // row.max_leverage))
            for floor, deduction, row in rows
        ]

    def maintenance_micros(self, notional_micros: int) -> int:
        """Maintenance of one position under a bracket table, rounded up to a whole micro.

        A notional equal to a cap belongs to the bracket below; the two formulas agree there.
        """
        tier = [row for row in self.tiers() if row.floor_micros < max(notional_micros, 1)][-1]
        return -(-notional_micros * tier.maintenance_ppm // PPM) - tier.deduction_micros

    def largest_notional_micros(self) -> int:
        """The cap of the last bracket in micros; 0: no limit."""
        cap = self.brackets[-1].cap_usd if self.brackets else None
        return 0 if cap is None else micros(cap)


class Margin(Table):
    """The margin classes by name; a contract of an unknown class follows the class that `default` names."""

    default: str
    classes: dict[str, MarginClass]

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """The class that everything else falls back to must be there."""
        if self.default not in self.classes:
            hint = suggest(self.default, self.classes)
            yield ("default",), f"is {self.default!r}, which [margin.classes] does not have; {hint}"

    def of(self, name: str) -> MarginClass:
        """The class of that name, or the default one."""
        return self.classes.get(name, self.classes[self.default])


def _bracket_faults(rows: tuple[Bracket, ...]) -> Iterator[tuple[Loc, str]]:
    if not rows:
        yield ("brackets",), "is empty; give at least one bracket"
        return
    for number, row in enumerate(rows):
        place: Loc = ("brackets", number)
        if row.cap_usd is None and number < len(rows) - 1:
            yield (*place, "cap_usd"), "is missing; only the last bracket may have no cap"
        if row.maintenance_ppm > -(-PPM // row.max_leverage):
            right = f"at {row.max_leverage}x it may be at most {-(-PPM // row.max_leverage)}"
            wrong = f"is {row.maintenance_ppm}, above the initial margin"
            yield (*place, "maintenance_ppm"), f"{wrong}; {right}"
        if number:
            yield from _step_faults(rows[number - 1], row, place)
    if all(row.cap_usd is not None for row in rows[:-1]):
        yield from _deduction_faults(rows)


def _step_faults(before: Bracket, row: Bracket, place: Loc) -> Iterator[tuple[Loc, str]]:
    if before.cap_usd is not None and row.cap_usd is not None and row.cap_usd <= before.cap_usd:
        right = f"brackets must rise, so it must exceed {before.cap_usd}"
        yield (*place, "cap_usd"), f"is {row.cap_usd}, not above the bracket before; {right}"
    if row.max_leverage > before.max_leverage:
        right = f"leverage may not rise, so at most {before.max_leverage}"
        yield (*place, "max_leverage"), f"is {row.max_leverage}, above the bracket before; {right}"
    if row.maintenance_ppm < before.maintenance_ppm:
        right = f"maintenance may not fall, so at least {before.maintenance_ppm}"
        yield (*place, "maintenance_ppm"), f"is {row.maintenance_ppm}, below the bracket before; {right}"


def _deduction_faults(rows: tuple[Bracket, ...]) -> Iterator[tuple[Loc, str]]:
    floors = [0, *(micros(row.cap_usd) for row in rows[:-1] if row.cap_usd is not None)]
    try:
        computed = maintenance_deductions(floors, [row.maintenance_ppm for row in rows])
    except ValueError as error:
        number = int(error.args[0])
        place: Loc = ("brackets", number - 1, "cap_usd")
        yield place, "makes a deduction finer than a micro-unit; use a rounder cap"
        return
    for number, (row, right) in enumerate(zip(rows, computed, strict=True)):
        if row.deduction_usd is not None and micros(row.deduction_usd) != right:
            exact = f"{Decimal(right) / PPM:f}"
            place = ("brackets", number, "deduction_usd")
            yield place, f"is {row.deduction_usd}; the recursion from the rows above gives {exact}"

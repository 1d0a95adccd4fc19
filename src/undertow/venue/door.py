"""Human units at the door: decimal text in, whole ticks, lots and settlement units inside, and back.

Holds the reading of numbers, the grid of one listed instrument and the exact way back to Decimal. Holds no
venue state. Nothing is rounded on the way in: a number off the grid is refused, with its neighbours.

Units: `Decimal` dollars (coins for a coin-settled wallet) and coins outside; ticks, lots, settlement units
inside. Invariant: what went in comes out equal; a float is refused, since it may not be what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from undertow.errors import InputError
from undertow.rulebook.faults import suggest
from undertow.rulebook.load import load_rulebook
from undertow.rulebook.model import Rulebook
from undertow.units import AMOUNT_LIMIT, PPM
from undertow.venue.compile import Listing
from undertow.venue.limits import MAXIMUM_DECIMALS
from undertow.venue.records import InstrumentKind, Role, TimeInForce
from undertow.venue.state import (
    HOUSE_CLEARING,
    HOUSE_FEES,
    HOUSE_FUND,
    HOUSE_LENDING,
    HOUSE_TREASURY,
    HOUSE_VAULT,
    MAXIMUM_SETTLEMENTS,
)

SIDES = {"buy": 1, "sell": -1}
ROLES = {"customer": Role.CUSTOMER, "provider": Role.PROVIDER}
TIMES_IN_FORCE = {time.name.lower().replace("_", "-"): time for time in TimeInForce}

HOUSE = {
    "fund": HOUSE_FUND,
    "fees": HOUSE_FEES,
    "clearing": HOUSE_CLEARING,
    "vault": HOUSE_VAULT,
    "lending": HOUSE_LENDING,
    "treasury": HOUSE_TREASURY,
}

Number = Decimal | int | str
Entry = TypeVar("Entry")

EXACT = Context(prec=60)  # products of a Decimal and an int64 stay exact, whatever the caller's own context
LARGEST_LEVERAGE = 1000
DIGITS = 20  # before and after the point: more cannot be meant
LONGEST_NUMBER = 100  # characters, or digits of an integer
LONGEST_PATH = 255  # characters, of a rulebook's file
LONGEST_NAME = 64  # characters
LONGEST_SHOWN = 60  # characters of a wrong value that a message repeats
MOST_SECONDS = 315_360_000  # ten years: of a step, of an age, of a venue's clock
MOST_STEPS = 100_000  # of one call
DOLLAR_DECIMALS, COIN_DECIMALS = 6, 8


class Settlement(NamedTuple):
    """An asset that wallets are kept in."""

    name: str
    number: int
    decimals: int

    def units(self, value: Number, what: str) -> int:
        """A positive amount in settlement units."""
        step = Decimal(1).scaleb(-self.decimals, EXACT)
        return whole_steps(positive(value, what), step, what, f"smallest unit of {self.name}")

    def amount(self, units: int) -> Decimal:
        """Settlement units as a decimal amount, exact."""
        return Decimal(int(units)).scaleb(-self.decimals, EXACT)


class Instrument(NamedTuple):
    """A listed instrument with its grid."""

    name: str
    number: int
    listing: Listing
    unit: int
    maximum_ticks: int

    @property
    def inverse(self) -> bool:
        """Whether it is margined and settled in the coin."""
        return self.listing.kind == InstrumentKind.INVERSE

    @property
    def spot(self) -> bool:
        """Whether it is an asset rather than a contract."""
        return self.listing.kind == InstrumentKind.SPOT

    def ticks(self, price: Number, what: str = "price") -> int:
        """A price in ticks; on the grid and below the listing's highest price."""
        label = f"{self.name}: {what}"
        ticks = whole_steps(positive(price, label), self.listing.tick, label, "tick")
        if ticks >= self.maximum_ticks:
            raise InputError(
                f"{label} is {number(price, label)}, beyond the highest this listing takes, {self.highest:f}"
            )
        return ticks

    @property
    def highest(self) -> Decimal:
        """The highest price of the grid."""
        return self.price(self.maximum_ticks - 1)

    def lots(self, size: Number, what: str = "size") -> int:
        """A positive size in lots; on the grid."""
        label = f"{self.name}: {what}"
        return whole_steps(positive(size, label), self.listing.lot, label, "lot")

    def price(self, ticks: int) -> Decimal:
        """Ticks as a price, exact."""
        return EXACT.multiply(self.listing.tick, Decimal(int(ticks)))

    def size(self, lots: int) -> Decimal:
        """Lots as a size, exact; signed."""
        return EXACT.multiply(self.listing.lot, Decimal(int(lots)))

    def average_price(self, value: int, lots: int) -> Decimal | None:
        """Price at which `lots` are worth `value` units, to six digits below the tick; None for none."""
        if lots == 0 or value == 0:
            return None
        ticks = Fraction(lots * self.unit, value) if self.inverse else Fraction(value, lots * self.unit)
        return rounded(ticks * Fraction(self.listing.tick), self.listing.tick)


def shown(value: object) -> str:
    """A value as a message repeats it, however long it is and whatever its type says of itself."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST_SHOWN:
        return "an integer of more digits than can be meant"
    text = repr(value[: LONGEST_SHOWN + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= LONGEST_SHOWN + 2 else f"{text[:LONGEST_SHOWN]}..."


def text(value: object, what: str) -> str:
    """A name: text that can be printed on one line, not empty and not too long."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InputError(f"{what} is {shown(value)}; give a text such as 'BTC-PERP'")
    if len(value) > LONGEST_NAME:
        raise InputError(f"{what} is {shown(value)}; give at most {LONGEST_NAME} characters")
    return value


def flag(value: object, what: str) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise InputError(f"{what} is {shown(value)}; give True or False")
    return value


def table(value: object, what: str) -> Mapping[str, Any]:
    """A mapping whose keys are names."""
    if not isinstance(value, Mapping):
        raise InputError(f"{what} is {shown(value)}; give a mapping from names, such as {{'A': '0.5'}}")
    for name in value:
        text(name, f"a name in {what}")
    return value


def rulebook_of(value: object) -> Rulebook:
    """A rulebook, or the one that a name or a path stands for."""
    is_long = isinstance(value, str) and len(value) > LONGEST_PATH
    if is_long or not isinstance(value, str | Rulebook):
        raise InputError(f"rulebook is {shown(value)}; give a rulebook, or the name of one")
    return load_rulebook(value) if isinstance(value, str) else value


def own_settlement(rulebook: Rulebook) -> dict[str, int]:
    """A rulebook's own settlement asset with its decimals."""
    return {rulebook.settlement: COIN_DECIMALS if rulebook.contract == "inverse" else DOLLAR_DECIMALS}


def settlement_table(value: object) -> dict[str, int]:
    """Settlement assets with their decimals."""
    assets = table(value, "settlements")
    if not 1 <= len(assets) <= MAXIMUM_SETTLEMENTS:
        raise InputError(f"settlements has {len(assets)} assets; give 1 to {MAXIMUM_SETTLEMENTS}")
    return {name: settlement_decimals(name, places) for name, places in assets.items()}


def number(value: object, what: str) -> Decimal:
    """A finite Decimal from text, an integer or a Decimal; InputError says what is wrong."""
    if isinstance(value, float):
        raise InputError(f"{what} is the float {value!r}; write it as text, '{value!r}', so that it is exact")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InputError(f"{what} is {shown(value)}; give a number as text, such as '12.5', or as a Decimal")
    if isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER:
        raise InputError(f"{what} has more than {LONGEST_NUMBER} digits, which is too large")
    if isinstance(value, str) and len(value) > LONGEST_NUMBER:
        raise InputError(f"{what} is written with more than {LONGEST_NUMBER} characters; write fewer")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise InputError(f"{what} is {shown(value)}, which is no number; write it like '12.5'") from None
    if not amount.is_finite():
        raise InputError(f"{what} is {amount}; it must be a finite number")
    if len(amount.as_tuple().digits) > LONGEST_NUMBER:
        raise InputError(f"{what} has more than {LONGEST_NUMBER} digits; write fewer")
    return amount


def positive(value: object, what: str) -> Decimal:
    """As `number`, above zero."""
    amount = number(value, what)
    if amount <= 0:
        raise InputError(f"{what} is {amount}; it must be above 0")
    return amount


def figure_on_grid(value: object, what: str) -> Decimal:
    """A tick, lot or first price, with no more digits before and after the point than can be meant."""
    step = positive(value, what)
    if abs(step.adjusted()) > DIGITS:
        raise InputError(f"{what} is {step:.3g}; give one between 1e-{DIGITS} and 1e{DIGITS}")
    if len(step.as_tuple().digits) > 2 * DIGITS:
        raise InputError(f"{what} is {step:.3g} with too many digits; at most {2 * DIGITS} count")
    return step


def whole_steps(amount: Decimal, step: Decimal, what: str, grid: str) -> int:
    """`amount / step` as an integer; InputError names the neighbours of an amount off the grid."""
    if amount.adjusted() > DIGITS:
        raise InputError(f"{what} is {amount}, which is too large")
    exponent = amount.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent < -4 * DIGITS
    steps = Fraction(0) if fine else Fraction(amount) / Fraction(step)
    if fine or steps.denominator != 1:
        below = EXACT.multiply(step, Decimal(int(steps)))
        above = EXACT.add(below, step)
        near = f"{above:f}" if below == 0 else f"{below:f} or {above:f}"
        raise InputError(f"{what} is {amount}, not a multiple of the {grid}, {step:f}; the nearest is {near}")
    if steps > AMOUNT_LIMIT:
        raise InputError(f"{what} is {amount}, which is too large")
    return int(steps)


def rounded(value: Fraction, tick: Decimal) -> Decimal:
    """A price between ticks, to six digits below the tick and to nearest, without zeros at its end."""
    exponent = int(tick.as_tuple().exponent)
    whole = round(value / Fraction(Decimal(1).scaleb(exponent - 6, EXACT)))
    return trimmed(Decimal(whole).scaleb(exponent - 6, EXACT))


def ratio(numerator: int, denominator: int) -> Decimal | None:
    """numerator / denominator to nine digits, rounded down; None when there is nothing to divide by."""
    if denominator == 0:
        return None
    scaled = (numerator * 10**9) // denominator
    return trimmed(Decimal(scaled).scaleb(-9, EXACT))


def trimmed(value: Decimal) -> Decimal:
    """Without trailing zeros, and never in powers of ten."""
    short = value.normalize(EXACT)
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1), ROUND_HALF_EVEN, EXACT) if int(exponent) > 0 else short


def share_ppm(value: Number, what: str) -> int:
    """A share of the whole as parts per million, which must be whole."""
    share = positive(value, what)
    if share > 1:
        raise InputError(f"{what} is {value}; a weight is a share of the whole, from '0.000001' to '1'")
    return whole_steps(share, Decimal("0.000001"), what, "millionth")


def known(entries: Mapping[str, Entry], name: object, what: str) -> Entry:
    """The entry of that name; InputError says which one may have been meant, or which there are."""
    if isinstance(name, str) and name in entries:
        return entries[name]
    word = name[:LONGEST_NAME] if isinstance(name, str) else ""
    raise InputError(f"{what} {shown(name)} is unknown; {suggest(word, sorted(entries))}")


def leverage_floor(leverage: Number) -> int:
    """1/leverage in ppm, rounded up."""
    chosen = number(leverage, "leverage")
    if not 1 <= chosen <= LARGEST_LEVERAGE:
        raise InputError(f"leverage is {chosen}; give a number from 1 to {LARGEST_LEVERAGE}")
    numerator, denominator = chosen.as_integer_ratio()
    return -(-PPM * denominator // numerator)


def whole_seconds(seconds: object, what: str, least: int = 1) -> int:
    """A whole number of seconds, from `least` to ten years."""
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < least:
        raise InputError(f"{what} is {shown(seconds)}; give a whole number of seconds, at least {least}")
    if seconds > MOST_SECONDS:
        raise InputError(f"{what} is {shown(seconds)}; give at most {MOST_SECONDS} seconds, ten years")
    return seconds


def whole_number(count: object, what: str, most: int, least: int = 1) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(count, bool) or not isinstance(count, int) or not least <= count <= most:
        raise InputError(f"{what} is {shown(count)}; give a whole number from {least} to {most}")
    return count


def settlement_decimals(name: str, decimals: object) -> int:
    """Decimals of a settlement asset; InputError for more than 64-bit amounts have room for."""
    whole = isinstance(decimals, int) and not isinstance(decimals, bool)
    if isinstance(decimals, int) and whole and 0 <= decimals <= MAXIMUM_DECIMALS:
        return decimals
    wrong = f"settlement asset {name!r} has {decimals!r} decimals"
    right = f"give a whole number from 0 to {MAXIMUM_DECIMALS}: amounts are 64-bit integers"
    raise InputError(f"{wrong}; {right}, and with more the largest would be small")


def order_number(order: object) -> int:
    """An order's id, as `place` gave it."""
    if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order < 1 << 62:
        raise InputError(f"order is {shown(order)}; give the number that `place` returned as `order`")
    return order

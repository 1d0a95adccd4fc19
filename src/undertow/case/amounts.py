"""What a crowd amounts to on the venue of its case, and which of its amounts do not fit that venue.

Holds the list of amounts in dollars and people, each as a share of what the case says of its venue, and the
judgement whether that share is odd. Refuses nothing: a case may mean an odd crowd.

The usual range of a share is that of the figure's description over the venue it was described for; where
only one value is known it is that value, divided and multiplied by what its description says. An amount is
odd when it lies outside that range by more than `MARGIN`, which is how far the two venues that were measured
lie apart where one range was published for both.

Units: USD, people; shares of one. Invariant: an amount that goes by the venue's size is never odd.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel

from undertow.case.beside import second_venue
from undertow.case.model import Case
from undertow.crowd.scale import Amount, Basis, Scale, Share, amount_of, amounts_of

MARGIN = 2.0
PEOPLE = "reference_accounts"
# Figures that only a case has, of one asset. Upper ends: 15 of 130 million a day (notes 5) and as much again
# twice; 0.4 billion able to redeem where 0.13 trade a day, 2 billion in loops where 41 are open (4, 2.3).
RESTING = Share(Basis.BOOK, 0.1, (0.0, 0.25))
REDEEMERS = Share(Basis.BOOK, 1.0, (0.0, 3.0))
LOOPS = Share(Basis.OPEN_INTEREST, 0.03, (0.0, 0.05))


class CrowdAmount(NamedTuple):
    """One amount of a case, at its key in the file."""

    key: str
    amount: Amount
    measure: float  # of the basis, on this venue
    by_size: float | None  # what it would be by the venue's size; None: it is the case's alone

    @property
    def odd(self) -> bool:
        """Whether it fits another venue than this one."""
        usual = self.amount.default.usual
        if usual is None or not self.amount.stated or self.measure <= 0.0 or self.amount.value == 0.0:
            return False
        return not usual[0] / MARGIN <= self.amount.ratio <= usual[1] * MARGIN


def crowd_amounts(case: Case) -> list[CrowdAmount]:
    """Every amount of a case's crowd that has a size, in the order of the file; then the second venue's."""
    found = list(_of_venue(case, ""))
    if case.beside is None:
        return found
    second = second_venue(case)
    found += _of_venue(second, "beside.")
    for rules, name, venue in (
        (case.beside.between, "first_usd", case),
        (case.beside.between, "second_usd", second),
    ):
        scale = scale_of(venue)
        chosen = next(amount for amount in amounts_of(rules, scale) if amount.name == name)
        found.append(_placed(f"beside.between.{name}", chosen, scale))
    return found


def scale_of(case: Case) -> Scale:
    """How large the venue of a case is."""
    contracts = [row for row in case.instruments if row.kind != "spot"]
    coins = [row for row in case.instruments if row.kind == "spot"]
    interest = sum(row.open_interest_usd for row in contracts)
    traded = [sum(row.turnover_usd for row in rows) for rows in (contracts, coins)]
    alone = Scale(interest, *traded)
    people = max(round(amount_of(case.crowd.population, PEOPLE, alone)), case.accounts)
    return alone._replace(people=float(people))


def _of_venue(case: Case, prefix: str) -> Iterator[CrowdAmount]:
    scale = scale_of(case)
    for part in type(case.crowd).model_fields:
        rules = getattr(case.crowd, part)
        if isinstance(rules, BaseModel):
            for amount in amounts_of(rules, scale):
                yield _placed(f"{prefix}crowd.{part}.{amount.name}", amount, scale)
    yield from _of_assets(case, prefix, scale)


def _of_assets(case: Case, prefix: str, scale: Scale) -> Iterator[CrowdAmount]:
    """What the case says of single books: bids that rest, firms that redeem, loops."""
    traded = {row.name: row.turnover_usd for row in case.instruments}
    crowd = case.crowd
    listed: list[tuple[str, Share, str, float]] = []
    for number, bid in enumerate(crowd.patient.resting_bids):
        key = f"patient.resting_bids.{number}.notional_usd"
        listed.append((key, RESTING, bid.instrument, bid.notional_usd))
    for number, redeemed in enumerate(crowd.redemption.assets):
        key = f"redemption.assets.{number}.capital_usd"
        listed.append((key, REDEEMERS, redeemed.instrument, redeemed.capital_usd))
    for number, looped in enumerate(crowd.loopers.assets):
        listed.append((f"loopers.assets.{number}.loops_usd", LOOPS, looped.instrument, looped.loops_usd))
    for key, share, instrument, value in listed:
        of_book = share.of is Basis.BOOK
        measure = traded.get(instrument, 0.0) if of_book else share.of.measure(scale)
        ratio = value / measure if measure > 0.0 else 0.0
        amount = Amount(key.rpartition(".")[2], value, True, share, ratio)
        yield CrowdAmount(f"{prefix}crowd.{key}", amount, measure, None)


def _placed(key: str, amount: Amount, scale: Scale) -> CrowdAmount:
    measure = amount.default.of.measure(scale)
    return CrowdAmount(key, amount, measure, amount.default.share * measure)


def in_words(found: CrowdAmount) -> str:
    """An amount against its basis: `12 times a day's turnover in contracts`, `0.2 % of people`."""
    ratio, basis = found.amount.ratio, found.amount.default.of
    if basis is Basis.PERSON:
        return f"{_part(found, ratio)} for all people together"
    joined = " " if ratio >= 1.0 else " of "
    return f"{_part(found, ratio)}{joined}{basis.value}"


def _part(found: CrowdAmount, ratio: float) -> str:
    """A share of the basis, without its name."""
    if found.amount.default.of is Basis.PERSON:
        return f"{ratio:,.0f}"
    if found.amount.name == PEOPLE:
        return f"one for each ${1.0 / ratio:,.0f}" if ratio > 0.0 else "nobody"
    return f"{ratio:,.3g} times" if ratio >= 1.0 else f"{100.0 * ratio:.2g} %"


def odd_amounts(case: Case) -> list[str]:
    """A sentence for every amount that does not fit the venue: key, what is odd, what would be usual."""
    return [_sentence(found) for found in crowd_amounts(case) if found.odd]


def _sentence(found: CrowdAmount) -> str:
    usual = found.amount.default.usual
    assert usual is not None  # or it would not be odd
    low, high = (_part(found, share) for share in sorted(usual))
    wrong = f"{found.key}: is {shown(found.amount.value)}, {in_words(found)}; usual is {low} to {high}"
    if found.by_size is None:
        return f"{wrong}; state what this venue has"
    return f"{wrong}; left out it goes by the venue's size and is {shown(found.by_size)}"


def shown(value: float) -> str:
    """An amount in a sentence: whole where it is large, four figures at most where it is not."""
    return f"{value:,.0f}" if value >= 100.0 else f"{value:,.4g}"

"""How large a venue is, and the amounts of a crowd that go by it where a case states none.

A figure in dollars or people belongs to the venue it was described for. Its default is therefore a share of
something that every case gives: open interest, a day's turnover, the number of people. Holds the measures,
the shares' declaration and the one place where a stated figure is told from a share. Holds no figure (the
rules do).

Units: USD, people, shares of one. Invariant: ten times the venue has ten times every amount that its case
leaves to the venue's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

LEAST_USD = 1.0  # of any amount: nobody has nothing, and nothing is divided by zero


class Scale(NamedTuple):
    """The size of a venue: USD, and people with a position."""

    open_interest_usd: float  # one side, all contracts
    contracts_usd: float  # a day's turnover in contracts
    coins_usd: float  # a day's turnover in spot assets
    people: float = 0.0


class Basis(Enum):
    """What an amount is a share of; the value says it in words."""

    OPEN_INTEREST = "open interest"
    CONTRACTS = "a day's turnover in contracts"
    COINS = "a day's turnover in spot assets"
    ALL = "a day's turnover"
    PEOPLE = "people"
    PERSON = "one person's part of all"  # the more people, the less each
    BOOK = "a day's turnover of its book"  # of one instrument, whatever the venue's size

    def measure(self, scale: Scale) -> float:
        """How much of it a venue has."""
        return {
            Basis.OPEN_INTEREST: scale.open_interest_usd,
            Basis.CONTRACTS: scale.contracts_usd,
            Basis.COINS: scale.coins_usd,
            Basis.ALL: scale.contracts_usd + scale.coins_usd,
            Basis.PEOPLE: scale.people,
            Basis.PERSON: 1.0 / max(scale.people, 1.0),
            Basis.BOOK: 0.0,
        }[self]


class Share(NamedTuple):
    """The default of an amount: a share of a basis, and the range in which it is usual."""

    of: Basis
    share: float
    usual: tuple[float, float] | None  # None: nothing is known that would make another share odd

    def in_words(self) -> str:
        """How a table of keys names this default."""
        return (
            f"{self.figure()} {'of ' + self.of.value if self.of is not Basis.PERSON else 'over all people'}"
        )

    def figure(self) -> str:
        """The share alone; small ones as fractions."""
        return f"1 / {1.0 / self.share:,.0f}" if self.share < 1e-3 else f"{self.share:,.5g}"


class Amount(NamedTuple):
    """An amount as a case has it on a venue."""

    name: str
    value: float
    stated: bool  # by the case; else by the venue's size
    default: Share
    ratio: float  # to the basis


def amount(
    of: Basis, share: float, *, usual: tuple[float, float] | None = None, description: str, **limits: Any
) -> Any:
    """A field for an amount that a case may state; without it, `share` of `of`."""
    default: Any = Share(of, share, usual)
    return Field(None, description=description, json_schema_extra={"scaled": default}, **limits)


def share_of(model: type[BaseModel], name: str) -> Share | None:
    """The default of a field that goes by the venue's size; None for every other field."""
    extra = model.model_fields[name].json_schema_extra
    found: Any = extra.get("scaled") if isinstance(extra, dict) else None
    return found if isinstance(found, Share) else None


def amount_of(rules: BaseModel, name: str, scale: Scale) -> float:
    """An amount as stated, else by the venue's size. KeyError for a field that does not go by it."""
    default = share_of(type(rules), name)
    if default is None:
        raise KeyError(f"{type(rules).__name__}.{name} does not go by the venue's size")
    stated = getattr(rules, name)
    return float(stated) if stated is not None else default.share * default.of.measure(scale)


def amounts_of(rules: BaseModel, scale: Scale) -> Iterator[Amount]:
    """Every amount of a table of rules that may go by the venue's size."""
    for name in type(rules).model_fields:
        default = share_of(type(rules), name)
        if default is not None:
            value, measure = amount_of(rules, name, scale), default.of.measure(scale)
            ratio = value / measure if measure > 0.0 else 0.0
            yield Amount(name, value, getattr(rules, name) is not None, default, ratio)

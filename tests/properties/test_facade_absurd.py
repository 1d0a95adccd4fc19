"""Every public call of a venue with values nobody can mean: one sentence, or a result; never a traceback.

Each argument of each public method is replaced by each absurd value in turn, beside arguments that are right.
Whatever happens, the books balance afterwards, and no call or message is long.
"""

from __future__ import annotations

import inspect
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vectors import funded, plain_venue
from undertow.errors import InvariantError, UndertowError
from undertow.venue.facade import Venue

PERP = "BTC-PERP"
LONG = "9" * 200_000
ABSURD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**62, 2**63, 2**64, 10**30, -(10**30), 10**6000),
    *(0.1, float("nan"), float("inf"), -0.0, 1e300, 1j),
    *("", " ", "\0", "\n", "\ud800", "x", "../..", "a\0/b", LONG, f"0.{LONG}", "x" * 200_000),
    *("9e99", "1e-99", "1e999999999", "-1e-999999999", "nan", "0x10", "1_000", "١٢"),
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1e500000"), Decimal("1e-500000")),
    *(Decimal(LONG[:9000]), Decimal("1000000000000"), Decimal("0.000001")),
    *(b"x", bytearray(b"x"), [], {}, (), set(), object(), [[]], {1: 2}, {"": ""}, {"x": "1"}, {"y": None}),
    *(np.int64(8), np.float64(1.0), np.zeros(3), np.array(1), type, print),
)
RIGHT: dict[str, dict[str, Any]] = {
    "list_perpetual": {"name": "NEW-PERP", "tick": "0.1", "lot": "0.001", "price": "50"},
    "list_spot": {"name": "NEWUSD", "asset": "NEW", "tick": "0.1", "lot": "0.01", "price": "50"},
    "list_asset": {"name": "OTHER", "tick": "0.1", "lot": "0.01", "price": "50"},
    "open_account": {},
    "open_isolated": {"owner": 8, "margin": "1000"},
    "set_leverage": {"account": 8, "leverage": "20"},
    "set_privileges": {"account": 8, "credit_limit": "5", "exempt": False},
    "house": {"name": "fund"},
    "open_backstop": {"capital": "1000"},
    "set_daily_volume": {"instrument": PERP, "volume": "10"},
    "deposit": {"account": 8, "asset": "USDT", "amount": "5"},
    "withdraw": {"account": 8, "asset": "USDT", "amount": "5"},
    "transfer": {"source": 8, "target": 9, "amount": "5"},
    "place": {"account": 8, "instrument": PERP, "side": "buy", "size": "1", "price": "90000"},
    "cancel": {"account": 8, "order": 0},
    "amend": {"account": 8, "order": 0, "size": "1", "price": "90000"},
    "cancel_all": {"account": 8},
    "set_index": {"instrument": PERP, "price": "100000"},
    "step": {"seconds": 1},
    "account": {"account": 8},
    "market": {"instrument": PERP},
    "fund": {},
    "audit": {},
    "history": {},
    "state_hash": {},
    "snapshot": {},
    "restore": {"saved": {}},
}
METHODS = [name for name, _ in inspect.getmembers(Venue, inspect.isfunction) if not name.startswith("_")]
LONGEST_MESSAGE = 500
SECONDS = 2.0  # of one call; compiling aside, the slowest takes a few milliseconds


def a_venue() -> Venue:
    """A contract, an asset, a position and a resting order."""
    venue = plain_venue("binance-2025")
    venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="100000")
    venue.list_asset("ETH", tick="0.1", lot="0.01", price="3800")
    one, two = funded(venue, "1000000"), funded(venue, "1000000")
    venue.place(two, PERP, side="sell", size="1", price="100000")
    venue.place(one, PERP, side="buy", size="2", price="100000")
    return venue


def tried(venue: Venue, name: str, arguments: dict[str, Any]) -> bool:
    """Make a call; only an UndertowError of the caller's making may come of it, short and soon.

    Whether the call was carried out, after which the books balance.
    """
    carried_out = True
    began = time.perf_counter()
    try:
        getattr(venue, name)(**arguments)
    except InvariantError:
        raise
    except UndertowError as error:
        carried_out = False
        assert 0 < len(str(error)) <= LONGEST_MESSAGE, name
        assert "\n" not in str(error), name
    assert time.perf_counter() - began < SECONDS, (name, arguments)
    if carried_out:
        venue.audit()
    return carried_out


def test_every_public_method_is_here() -> None:
    assert sorted(METHODS) == sorted(RIGHT)


@pytest.mark.parametrize("name", METHODS)
def test_no_absurd_argument_leaves_a_traceback(name: str) -> None:
    venue = a_venue()
    with suppress(UndertowError):
        getattr(venue, name)(**RIGHT[name])  # compiled from here on, and within its time
    venue = a_venue()
    saved = venue.snapshot()
    parameters = [key for key in inspect.signature(getattr(Venue, name)).parameters if key != "self"]
    for parameter in parameters:
        for value in ABSURD:
            carried_out = tried(venue, name, {**RIGHT[name], parameter: value})
            if carried_out and name.startswith("list"):
                venue = a_venue()
            elif carried_out:
                venue.restore(saved)
    venue.audit()


@pytest.mark.parametrize(
    "option", [key for key in inspect.signature(Venue.__init__).parameters if key != "self"]
)
def test_no_absurd_option_opens_a_venue_that_breaks(option: str) -> None:
    for value in ABSURD:
        try:
            venue = Venue(**{"rulebook": "binance-2025", option: value})
        except UndertowError as error:
            assert 0 < len(str(error)) <= LONGEST_MESSAGE
            continue
        venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="100000")
        venue.step()
        venue.audit()


@given(data=st.data())
def test_absurd_values_together_leave_no_traceback(data: st.DataObject) -> None:
    venue = a_venue()
    for _ in range(data.draw(st.integers(1, 6))):
        name = data.draw(st.sampled_from([name for name in METHODS if name != "restore"]))
        parameters = [key for key in inspect.signature(getattr(Venue, name)).parameters if key != "self"]
        arguments = dict(RIGHT[name])
        for parameter in data.draw(
            st.lists(st.sampled_from(parameters), unique=True) if parameters else st.just([])
        ):
            arguments[parameter] = ABSURD[data.draw(st.integers(0, len(ABSURD) - 1))]
        tried(venue, name, arguments)

"""Measures of leverage through its layers: what contracts show, what accounts carry, what a price forces.

All are of customers who hold for themselves (traders, books and loopers; wallets that stand for order flow
are left out), at a moment: "start" or "end" of the run. The layers are those of `undertow.lab.leverage`.
"""

from __future__ import annotations

from undertow.lab.measures.registry import Measured, choose, measure, money_unit, taken
from undertow.tape import Tape
from undertow.tape.schema import quoted

HOLDERS = ("trader", "basis book", "hedge book", "looper")
GROSS = "owned + short + contracts"
_MOMENTS = {"start": "min", "end": "max"}


def holders(tape: Tape, moment: str) -> str:
    """SQL for the rows of one moment that are somebody's own; InputError for another word."""
    bound = choose(moment, _MOMENTS, "moment")
    names = tape.record.get("groups", [])
    codes = ", ".join(str(code) for code, name in enumerate(names) if name in HOLDERS) or "-1"
    return f'"group" in ({codes}) and time_ms = (select {bound}(time_ms) from leverage)'


def _ratio(tape: Tape, top: str, below: str, moment: str, product: str | None) -> Measured:
    where = holders(tape, moment)
    if product is not None:
        profiles = {str(name): code for code, name in enumerate(tape.record.get("profiles", []))}
        where += f" and profile = {choose(product, profiles, 'product')}"
    return taken(tape, f"select sum({top})::double / nullif(sum({below}), 0) from leverage where {where}")


@measure("ratio")
def effective_leverage(tape: Tape, moment: str = "start", product: str | None = None) -> Measured:
    """Exposure through every layer (assets owned and owed, contracts) over equity; `product` is a profile."""
    return _ratio(tape, GROSS, "equity", moment, product)


@measure("ratio")
def shown_leverage(tape: Tape, moment: str = "start", product: str | None = None) -> Measured:
    """Contracts over equity: the leverage that a screen shows."""
    return _ratio(tape, "contracts", "equity", moment, product)


@measure("percent")
def hidden_share_percent(tape: Tape, moment: str = "start", product: str | None = None) -> Measured:
    """Of the exposure through every layer, what the leverage of contracts does not show."""
    return _ratio(tape, "100.0 * (owned + short)", GROSS, moment, product)


@measure("usd")
def hidden_usd(tape: Tape, moment: str = "start") -> Measured:
    """Assets owned or owed by accounts with a debt or a contract: exposure beside what contracts show."""
    where = f"{holders(tape, moment)} and (owed > 0 or contracts > 0)"
    return taken(tape, f"select sum(owned + short) / {money_unit(tape)}.0 from leverage where {where}")


@measure("usd")
def forced_usd(tape: Tape, instrument: str, price_usd: float, moment: str = "start") -> Measured:
    """What accounts own of an asset that are liquidated once it prints a price, in rungs of one per cent."""
    where = f"forced.time_ms = (select {choose(moment, _MOMENTS, 'moment')}(time_ms) from forced)"
    return taken(
        tape,
        f"select coalesce(sum(owned), 0) / {money_unit(tape)}.0 from forced "
        f"join instruments on instrument = asset where name = {quoted(instrument)} and {where} "
        f"and level_ppm > 0 "
        f"and level_ppm * outside_ticks * tick_usd / 1e6 >= {float(price_usd)!r} - tick_usd / 2",
    )

"""What the fund, the vault and the providers took over, sold on and still hold, and what it cost them.

Holds the queries and their rows. A run that did not record what the house holds, or whose house took nothing
over, has nothing here.

Units: milliseconds since the start of the case; dollars; ratios of prices as plain numbers. Accounts of the
first settlement asset only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertow.lab.measures.registry import money_unit
from undertow.tape import Tape
from undertow.venue.records import EventKind, Origin, Role
from undertow.views.report.series import PRICE_BUCKETS, Floats, thinned

LONG, SHORT, REST = "contracts, long", "contracts, short", "other assets"
BOOKS = ("basis book", "hedge book")
MOST_ASSETS = 4  # shown by name; the others together

_HOLDERS = f"role in ({Role.FUND:d}, {Role.PROVIDER:d}, {Role.VAULT:d}) and settlement = 0"
_VALUE = (
    "case when i.kind = 'inverse' then x.size * i.unit * i.tick_usd else abs(x.price) * x.size * i.unit end"
)

STOCK_QUERY = f"""
with holders as (select account from accounts where {_HOLDERS}),
held_now as (
    select time_ms, case when kind = 'spot' then name when lots > 0 then '{LONG}' else '{SHORT}' end as what,
           case when kind = 'spot' then value else abs(value) end as value
    from held join instruments using (instrument) where account in (from holders))
select time_ms, what, sum(value)::double as value from held_now
where time_ms in (select time_ms from house) group by all order by all"""

RESULT_QUERY = f"""
select time_ms, sum(cash)::double as cash, sum(equity)::double as equity from house
where {_HOLDERS} group by 1 order by 1"""

# Lots, not dollars, weigh the prices, so that the ratio compares the same goods.
TAKEN_QUERY = f"""
with holders as (select account from accounts where {_HOLDERS}),
deals as (
    select 'taken' as deal, instrument, side, size, price from events
    where kind in ({EventKind.TAKEOVER:d}, {EventKind.AUTO_CLOSE:d}) and counterparty in (from holders)
    union all
    select 'sold', instrument, -side, size, price from fills
    where origin = {Origin.DISPOSAL:d} and (taker in (from holders) or maker in (from holders))
    union all
    select 'adl', instrument, -side, size, price from events where kind = {EventKind.ADL_CLOSE:d}
    union all
    select 'left', instrument, sign(lots), abs(lots), value / lots / unit
    from held join instruments using (instrument)
    where account in (from holders) and time_ms = (select max(time_ms) from house)),
each as (
    select x.instrument, x.side, any_value(case when i.kind = 'spot' then i.name else i.class end) as what,
           any_value(i.kind) as kind, {{columns}}
           sum(x.size) filter (deal = 'sold') as lots_sold,
           sum(x.size::double * x.price) filter (deal = 'taken')
               / sum(x.size) filter (deal = 'taken') as cost,
           sum(x.size::double * x.price) filter (deal = 'sold') * any_value(i.unit) as proceeds,
           lots_sold * cost * any_value(i.unit) as cost_sold
    from deals x join instruments i using (instrument) group by 1, 2)
select case when kind = 'spot' then 'asset' else 'contracts' end as sort, what, side,
       sum(taken) as taken, sum(sold) as sold, sum(adl) as adl, sum(remaining) as remaining,
       sum(proceeds) filter (cost_sold > 0) / sum(cost_sold) as ratio
from each group by all order by sort desc, taken desc, what, side""".replace(
    "{columns}",
    "\n           ".join(
        f"coalesce(sum({_VALUE}) filter (deal = '{deal}'), 0)::double as {name},"
        for deal, name in (("taken", "taken"), ("sold", "sold"), ("adl", "adl"), ("left", "remaining"))
    ),
)


# What passed to others than fund, vault and providers: the lender of a pledge, funds of other assets.
ELSEWHERE_QUERY = f"""
select coalesce(sum({_VALUE}), 0)::double as value from events x join instruments i using (instrument)
where x.kind in ({EventKind.TAKEOVER:d}, {EventKind.AUTO_CLOSE:d})
  and counterparty not in (select account from accounts where {_HOLDERS})"""


@dataclass(frozen=True)
class Taken:
    """A class of contracts or an asset, on one side, in dollars; `ratio` is None where nothing was sold."""

    what: str
    is_asset: bool
    side: int
    taken: float
    sold: float
    adl: float
    remaining: float
    ratio: float | None  # average price sold at over average price taken over at


@dataclass(frozen=True)
class Book:
    """Hedged accounts of one group, apart by whether auto-deleveraging cut them; dollars."""

    group: str
    cut: bool
    accounts: int
    closes: int
    lots: int
    notional: float
    forgone: float
    result: float


@dataclass(frozen=True)
class House:
    """`stock` by kind over `time_ms`; `cash` and `equity` since their first sample over `result_time_ms`.

    `elsewhere`: dollars that the lending pool or funds of other settlement assets took over.
    """

    time_ms: NDArray[np.int64]
    stock: dict[str, Floats]
    result_time_ms: NDArray[np.int64]
    cash: Floats
    equity: Floats
    taken: list[Taken]
    elsewhere: float
    books: list[Book]
    books_query: str


def house_of(tape: Tape) -> House | None:
    """What the house took over in a run; None if the run did not record it or nothing was taken over."""
    if "held" not in tape.tables or "house" not in tape.tables:
        return None
    unit = money_unit(tape)
    taken = [
        Taken(
            what=str(what),
            is_asset=sort == "asset",
            side=int(side),
            taken=got / unit,
            sold=sold / unit,
            adl=closed / unit,
            remaining=left / unit,
            ratio=None if ratio is None else float(ratio),
        )
        for sort, what, side, got, sold, closed, left, ratio in tape.rows(TAKEN_QUERY)
    ]
    times, stock = _stock(tape)
    if not stock and not any(row.taken for row in taken):
        return None
    result = tape.fetch(RESULT_QUERY)
    cash, equity = ((result[name] - result[name][:1]) / unit for name in ("cash", "equity"))
    kept = thinned(equity, PRICE_BUCKETS)
    groups = tape.record.get("groups", [])
    query = books_query(groups)
    books = [
        Book(str(groups[code]), bool(cut), int(accounts), int(closes), int(lots), *(
            float(amount) / unit for amount in amounts
        ))
        for code, cut, accounts, closes, lots, *amounts in (tape.rows(query) if query else [])
    ]  # fmt: skip
    elsewhere = float(tape.value(ELSEWHERE_QUERY)) / unit
    seen = result["time_ms"][kept].astype(np.int64)
    return House(times, stock, seen, cash[kept], equity[kept], taken, elsewhere, books, query)


def books_query(groups: Sequence[str]) -> str:
    """SQL for hedged books and what auto-deleveraging cut of them; empty if the crowd has none."""
    codes = ", ".join(str(code) for code, name in enumerate(groups) if name in BOOKS)
    if not codes:
        return ""
    return f"""
with cuts as (
    select account, count(*) as closes, sum(x.size) as lots, sum({_VALUE})::double as notional,
           sum(amount)::double as forgone
    from events x join instruments i using (instrument) where x.kind = {EventKind.ADL_CLOSE:d} group by 1)
select "group", closes is not null as cut, count(*) as accounts, coalesce(sum(closes), 0) as closes,
       coalesce(sum(lots), 0) as lots, coalesce(sum(notional), 0) as notional,
       coalesce(sum(forgone), 0) as forgone,
       sum(equity_end - equity_start - deposits + withdrawals)::double as result
from accounts left join cuts using (account) where "group" in ({codes}) and settlement = 0
group by all order by all"""


def _stock(tape: Tape) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    """Value of the stock by kind at each sample, nothing held being 0; small assets added together."""
    rows = tape.fetch(STOCK_QUERY)
    times = tape.fetch("select distinct time_ms from house order by 1")["time_ms"].astype(np.int64)
    found: dict[str, Floats] = {}
    for what in sorted({str(name) for name in rows["what"]}):
        mine = rows["what"] == what
        found[what] = np.zeros(len(times))
        found[what][np.searchsorted(times, rows["time_ms"][mine])] = rows["value"][mine] / money_unit(tape)
    assets = sorted(found.keys() - {LONG, SHORT}, key=lambda name: (-float(np.abs(found[name]).max()), name))
    named = assets[:MOST_ASSETS]
    stock = {name: found[name] for name in (LONG, SHORT, *named) if name in found}
    if len(assets) > MOST_ASSETS:
        stock[REST] = np.sum([found[name] for name in assets[MOST_ASSETS:]], axis=0)
    if not stock:
        return times, {}
    kept = thinned(np.sum(list(stock.values()), axis=0), PRICE_BUCKETS)
    return times[kept], {name: values[kept] for name, values in stock.items()}

"""The waterfall table: what each stage of liquidation dealt with, step by step, from fills and events.

Holds one SQL query, run by the writer when a run is finished and by `Tape` where the table is absent. The
value of lots at a price follows the instrument's kind: price x lots x unit for linear contracts and spot,
unit x lots / price for inverse ones (then in the coin, not in dollars).

Units: lots; `notional` and `amount` in the settlement asset's smallest unit. `amount` is the equity passed
with a takeover, the profit forgone by a winner (ADL), the shortfall paid (fund) or left over (uncovered).
"""

from __future__ import annotations

from undertow.tape.schema import Stage
from undertow.venue.records import EventKind, Origin

_VALUE = (
    "case when i.kind = 'inverse' then (case when x.price > 0 then i.unit * x.size // x.price else 0 end) "
    "else abs(x.price) * x.size * i.unit end"
)

_STAGE_OF_EVENT = {
    EventKind.TAKEOVER: Stage.TAKEOVER,
    EventKind.AUTO_CLOSE: Stage.TAKEOVER,
    EventKind.ADL_CLOSE: Stage.ADL,
    EventKind.FUND_OUT: Stage.FUND,
    EventKind.SOCIALISED_LOSS: Stage.UNCOVERED,
    EventKind.CLAWBACK: Stage.UNCOVERED,
    EventKind.BAD_DEBT: Stage.UNCOVERED,
}


def waterfall_query(step_ms: int) -> str:
    """SQL that yields the table `waterfall` from the tables fills, events and instruments."""
    stages = " ".join(f"when {kind:d} then {stage:d}" for kind, stage in _STAGE_OF_EVENT.items())
    kinds = ", ".join(f"{kind:d}" for kind in _STAGE_OF_EVENT)
    return f"""
with dealt as (
    select time_ms, instrument, case origin when {Origin.LIQUIDATION:d} then {Stage.ORDERS:d}
           else {Stage.DISPOSAL:d} end as stage, side, size, price, 0 as amount
    from fills where origin in ({Origin.LIQUIDATION:d}, {Origin.DISPOSAL:d})
    union all
    select time_ms, instrument, case kind {stages} end, side, size, price, amount
    from events where kind in ({kinds})
)
select (x.time_ms // {step_ms})::integer as step, x.time_ms, x.instrument, x.stage::tinyint as stage,
       x.side::tinyint as side, sum(x.size)::bigint as lots,
       sum(coalesce({_VALUE}, 0))::bigint as notional, count(*)::bigint as count,
       sum(x.amount)::bigint as amount
from dealt x left join instruments i using (instrument)
group by all order by 2, 3, 4, 5"""

"""The report's section on hidden leverage: what contracts show, what is there, what sells at which price."""

from __future__ import annotations

from collections.abc import Mapping

from undertow.views.report.charts_leverage import EFFECTIVE, SHOWN, ladder_marks
from undertow.views.report.content import Content
from undertow.views.report.headline import named_queries
from undertow.views.report.leverage import MARKS, Layers, Leverage
from undertow.views.report.template import chart, escaped, queries_block, query_block, section, table
from undertow.views.text import MISSING, dollars, figures

TITLE = "Hidden leverage"


def leverage(content: Content, divs: Mapping[str, str]) -> str:
    """Layers by product and depth, and the ladder of forced sales."""
    found = content.leverage
    if found is None:
        return section("leverage", TITLE, "<p>Leverage was not recorded in this run.</p>")
    hidden = content.value("hidden") or 0.0
    body = _ladder(found, divs)
    body += chart(
        divs["classes"],
        "Own money of traders, books and loopers, by the leverage of the account that holds it: contracts "
        "over equity, and everything over equity. Who moves to the right carries more than contracts show.",
        found.queries["classes"],
        "Equity by leverage at the start, USD",
        [SHOWN, EFFECTIVE],
    )
    body += "<h3>By product of the venue</h3>" + _products(found) + query_block(found.queries["products"])
    body += "<h3>By loop depth</h3>" + table(_HEADINGS, [_cells(row) for row in found.depths])
    body += (
        '<p class="small">Depth: assets over what of them is own money. Exposure: assets owned and owed and '
        "contracts, each without sign, at marks; hidden is what of it is not contracts."
        f"{_idle(found, hidden)}</p>"
    )
    body += query_block(found.queries["depths"]) + queries_block(
        [
            *named_queries(content, ("shown_leverage", "effective_leverage", "hidden")),
            ("Owed, by product", found.queries["products"]),
        ]
    )
    return section("leverage", TITLE, body, _lead(found, hidden))


_HEADINGS = ["", "Accounts", "Own money", "Assets", "Owed", "Contracts", "Shown", "Effective", "Hidden"]


def _lead(found: Leverage, hidden: float) -> str:
    total = found.total
    return (
        f"Contracts show {_times(total.shown)}; through every layer it is {_times(total.effective)}. "
        f"Accounts with a contract or a debt have {dollars(hidden)} of exposure that contracts do not show; "
        f"{dollars(total.owed)} of it was bought with borrowed money."
    )


def _idle(found: Leverage, hidden: float) -> str:
    """What the tables hold beyond the number above them."""
    idle = found.total.gross - found.total.contracts - hidden
    if idle < 0.001 * hidden:
        return ""
    return (
        f" The tables also count {dollars(idle)} of assets whose owners have neither a contract nor a debt; "
        "the number above does not."
    )


def _ladder(found: Leverage, divs: Mapping[str, str]) -> str:
    if not found.ladders or "ladder" not in divs:
        return "<p>No price of one asset alone would liquidate anybody.</p>"
    first = found.ladders[0]
    html = chart(
        divs["ladder"],
        f"What {escaped(first.asset)} the venue's own formula puts up for sale once it prints a price, all "
        "else as it was at the start. Bars hold those of all higher prices.",
        found.queries["ladder"],
        f"{first.asset} liquidated at a price over outside, USD",
        ladder_marks(first),
    )
    rows = [
        [
            escaped(one.asset),
            dollars(one.owned),
            *(dollars(one.down_to(mark)) if one.down_to(mark) else MISSING for mark in MARKS),
        ]
        for one in found.ladders
    ]
    headings = ["Asset", "Owned", *(f"forced at {mark / 100:.2f}" for mark in MARKS)]
    return html + table(headings, rows)


def _products(found: Leverage) -> str:
    rows = []
    for row in [*found.products, found.total]:
        ended = found.products_end.get(row.name)
        rows.append([*_cells(row), _times(ended.effective) if ended is not None else MISSING])
    return table([*_HEADINGS, "At the end"], rows, total=True)


def _cells(row: Layers) -> list[str]:
    hidden = MISSING if row.hidden is None else f"{figures(100.0 * row.hidden, 2)} %"
    amounts = [
        dollars(value) if value else MISSING for value in (row.equity, row.owned, row.owed, row.contracts)
    ]
    return [
        escaped(row.name),
        f"{row.accounts:,}",
        *amounts,
        _times(row.shown),
        _times(row.effective),
        hidden,
    ]


def _times(value: float | None) -> str:
    return MISSING if value is None else f"{figures(value, 2)} x" if value else MISSING

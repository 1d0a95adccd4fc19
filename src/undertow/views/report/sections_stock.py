"""The report's section on what the venue took over: the stock, what it cost, how it is sold, hedged books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.views.report.charts import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Mark,
    TimeCharts,
)
from undertow.views.report.content import Content
from undertow.views.report.stock import (
    ELSEWHERE_QUERY,
    LONG,
    RESULT_QUERY,
    SHORT,
    STOCK_QUERY,
    TAKEN_QUERY,
    House,
    Taken,
)
from undertow.views.report.template import chart, escaped, queries_block, query_block, section, table
from undertow.views.text import MISSING, dollars, figures, value_text

TITLE = "What the venue took over"
RESULT_MARKS = (Mark("equity", "equity", PURPLE), Mark("cash", "cash alone", ORANGE, "dashed", 1.6))
_CONTRACT_LOOKS = {LONG: (BLUE, "solid"), SHORT: (VERMILLION, "dashed")}
_ASSET_LOOKS = ((ORANGE, "solid"), (GREEN, "dashed"), (PURPLE, "dotted"), (SKY, "solid"), (FAINT, "dotted"))
_MOST_ROWS = 14
_FLOORS = {
    "none": "at whatever price the book gives",
    "band": "but not, while it is solvent, through a fall of more than {band} a minute",
    "bankruptcy": "but not below the price it took over at, where its order rests",
}


def stock_charts(house: House, charts: TimeCharts) -> dict[str, Any]:
    """The stock by kind, and cash and equity since the start."""
    plots = {}
    if house.stock:
        columns = {mark.column: house.stock[mark.name] for mark in stock_marks(house)}
        plots["stock"] = charts.amounts(house.time_ms, columns, stock_marks(house))
    if len(house.result_time_ms):
        result = {"equity": house.equity, "cash": house.cash}
        plots["stock-result"] = charts.amounts(house.result_time_ms, result, RESULT_MARKS)
    return plots


def stock_marks(house: House) -> list[Mark]:
    """How each kind of stock is drawn."""
    looks = iter(_ASSET_LOOKS)
    marks = []
    for place, name in enumerate(house.stock):
        colour, dash = _CONTRACT_LOOKS.get(name) or next(looks)
        marks.append(Mark(f"stock_{place}", name, colour, dash, 1.8))
    return marks


def stock(content: Content, divs: Mapping[str, str]) -> str:
    """What was taken over, sold on and kept, and at which prices; nothing if the run did not record it."""
    house = content.stock
    if house is None:
        return ""
    body = ""
    if "stock" in divs:
        body += chart(
            divs["stock"],
            "Positions and assets that fund, vault and providers hold: positions at the mark, short ones "
            "without their sign; assets at their stock price, the median of the last five minutes’ marks.",
            STOCK_QUERY,
            "Stock by kind, USD",
            stock_marks(house),
        )
    if "stock-result" in divs:
        body += chart(
            divs["stock-result"],
            "Change since the first sample. Between the two lie assets at their stock price and what open "
            "contracts stand to gain or lose.",
            RESULT_QUERY,
            "Running result of fund, vault and providers, USD",
            RESULT_MARKS,
        )
    if house.elsewhere:
        body += queries_block([("Passed to the lending pool or other funds", ELSEWHERE_QUERY)])
    body += _taken(house) + _policy(content.rulebook) + _books(house)
    return section("stock", TITLE, body, _lead(house))


def _lead(house: House) -> str:
    taken = sum(row.taken for row in house.taken)
    sold = sum(row.sold for row in house.taken)
    left = sum(row.remaining for row in house.taken)
    text = f"{dollars(taken)} was taken over, {dollars(sold)} sold on, {dollars(left)} still held at the end."
    if house.elsewhere:
        text += (
            f" {dollars(house.elsewhere)} more passed to the lending pool or to other funds; the number at "
            "the head of the report has both."
        )
    if len(house.equity):
        text += f" The house’s equity changed by {dollars(float(house.equity[-1]), True)}."
    return text


def _taken(house: House) -> str:
    rows = [row for row in house.taken if row.taken or row.sold or row.adl or row.remaining]
    rows.sort(key=lambda row: (row.is_asset, -max(row.taken, row.adl)))
    cells = [_cells(row) for row in rows[:_MOST_ROWS]]
    columns = ("taken", "sold", "adl", "remaining")
    if rest := rows[_MOST_ROWS:]:
        sums = [_amount(sum(getattr(row, name) for row in rest)) for name in columns]
        cells.append([f"{len(rest)} others", "", *sums, MISSING])
    sums = [_amount(sum(getattr(row, name) for row in rows)) for name in columns]
    cells.append(["Sum", "", *sums, MISSING])
    headings = ["Class or asset", "", "Taken over", "Sold on", "Closed by ADL", "Held at the end", "Price"]
    return (
        "<h3>Taken over and sold on</h3>"
        + table(headings, cells, left=(0, 1), total=True)
        + '<p class="small">Contracts are taken over at the price at which the account is worth nothing, '
        "assets at the mark. Price: average price sold at over average price taken over at, by the lots "
        "sold; above 1 is a gain on longs, a loss on shorts. Closed by ADL: of this side, passed to winners "
        "by the house or straight by the account that lost. Long and short of one "
        "instrument cancel in the house’s hands, and prices move, so a row need not add up.</p>"
        + query_block(TAKEN_QUERY)
    )


def _cells(row: Taken) -> list[str]:
    name = row.what if row.is_asset else f"{row.what}, contracts"
    amounts = [_amount(value) for value in (row.taken, row.sold, row.adl, row.remaining)]
    ratio = MISSING if row.ratio is None else f"{row.ratio:.3f}"
    return [escaped(name), "long" if row.side > 0 else "short", *amounts, ratio]


def _policy(rulebook: Mapping[str, Any]) -> str:
    backstop = rulebook.get("backstop", {})
    if backstop.get("kind") not in ("fund", "vault"):
        return ""
    lines = [
        f"<li>{name}: {_rule(backstop.get(key, {}))}.</li>"
        for name, key in (("Contracts", "disposal"), ("Assets", "collateral_disposal"))
    ]
    return f"<h3>How the rulebook has it sold</h3><ul>{''.join(lines)}</ul>"


def _rule(rule: Mapping[str, Any]) -> str:
    rate, share = rule.get("rate_ppm_per_second", 0), rule.get("max_turnover_share_ppm", 0)
    if not rate:
        return "kept, not sold"
    limit = f"at most {value_text('share_ppm', share)} of the last minute’s turnover" if share else ""
    band = value_text("band_ppm", rule.get("band_ppm_per_minute", 0))
    floor = _FLOORS[str(rule.get("price_floor", "none"))].format(band=band)
    parts = [f"{value_text('rate_ppm', rate)} of what is left each second", limit, floor]
    return escaped(", ".join(part for part in parts if part))


def _books(house: House) -> str:
    if not house.books:
        return ""
    rows = [
        [
            escaped(book.group),
            "cut" if book.cut else "not cut",
            f"{book.accounts:,}",
            f"{book.closes:,}" if book.closes else MISSING,
            f"{figures(book.lots)}" if book.lots else MISSING,
            _amount(book.notional),
            dollars(book.forgone, True) if book.forgone else MISSING,
            dollars(book.result, True),
        ]
        for book in house.books
    ]
    headings = ["Hedged books", "by ADL", "Accounts", "Closes", "Lots", "Notional", "Forgone", "Result"]
    return (
        "<h3>Hedged books</h3>"
        + table(headings, rows, left=(0, 1))
        + '<p class="small">A book hedges here what it owns elsewhere or in its wallet: once ADL cuts the '
        "hedge, what it hedged falls unprotected. Result: change of equity here, deposits and withdrawals "
        "aside. Forgone: profit against the mark, negative where the close was better than the mark.</p>"
        + query_block(house.books_query)
    )


def _amount(value: float) -> str:
    return dollars(value) if value else MISSING

"""The report's sections on money: fund and backstop, ADL, bad debt, who paid.

Amounts in tables are exact, to the settlement asset's last unit where they must add up, else rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from undertow.views.report import money, series
from undertow.views.report.adl import REASONS_QUERY
from undertow.views.report.charts import HOUSE_MARKS
from undertow.views.report.content import Content
from undertow.views.report.headline import named_queries
from undertow.views.report.template import chart, escaped, queries_block, query_block, section, table
from undertow.views.text import MISSING, dollars, exact_units, figures, in_unit

_TOP = 12


def fund(content: Content, divs: Mapping[str, str]) -> str:
    """The fund and the backstop over time, and the fund's statement."""
    marks = [HOUSE_MARKS[role] for role in content.house]
    body = ""
    if "equity" in divs:
        body += chart(
            divs["equity"],
            "Equity of the house accounts that stand behind losses; positions at the mark, assets at their "
            "stock price, the median of the last five minutes’ marks.",
            series.HOUSE_QUERY,
            "Equity, USD",
            marks,
        )
    if "held" in divs:
        body += chart(
            divs["held"],
            "Value of positions and assets they hold: taken over, not yet sold on.",
            series.HOUSE_QUERY,
            "Held, USD",
            marks,
        )
    if content.fund_lines:
        rows = [[escaped(line.label), _exact(content, line.amount)] for line in content.fund_lines]
        body += (
            "<h3>The insurance fund's statement</h3>"
            + table(["", content.settlement_name], rows, total=True)
            + '<p class="small">Lines between the first and the last add up to the change. “Result of '
            "positions it held” is what trading and valuing them left.</p>" + query_block(money.FUND_QUERY)
        )
    draw = content.value("fund_draw")
    lead = f"The fund was drawn down by at most {dollars(draw)}." if draw is not None else ""
    closed = content.value("adl")
    if lead and closed:
        lead += f" Beside it, {dollars(closed)} of winners’ positions was closed by ADL."
        lead += f" {content.reasons.in_words}" if content.reasons is not None else ""
    body += queries_block(named_queries(content, ("fund_draw", "adl")))
    return section("fund", "Fund and backstop", body or "<p>No house account was recorded.</p>", lead)


def adl(content: Content) -> str:
    """Who was closed, how much, and what they gave up."""
    title = "Auto-deleveraging"
    if not content.winners:
        return section("adl", title, "<p>No winner was closed in this run.</p>")
    notional = sum(winner.notional for winner in content.winners)
    forgone = sum(winner.forgone for winner in content.winners)
    top = sum(winner.notional for winner in content.winners[:10])
    share = figures(100 * top / notional if notional else 0.0, 2)
    gave = (
        f"gave up {_short(content, forgone)} against the mark"
        if forgone >= 0
        else f"gained {_short(content, -forgone)} by it, as the closing prices were better than the mark"
    )
    lead = (
        f"{len(content.winners):,} winning accounts were closed for {_short(content, notional)} of notional "
        f"and {gave}. The ten largest bore {share} % of it."
    )
    if content.reasons is not None:
        lead += f" {content.reasons.in_words}"
    body = (
        "<h3>By kind of account</h3>"
        + _bars(content, _by_group(content.winners))
        + "<h3>Accounts closed</h3>"
        + _winners_table(content)
        + query_block(money.WINNERS_QUERY)
    )
    if any(winner.forgone < 0 for winner in content.winners):
        body += '<p class="small">Profit forgone is negative where the close was better than the mark.</p>'
    if content.reasons is not None:
        body += queries_block([("Why winners were closed", REASONS_QUERY)])
    return section("adl", title, body, lead)


def bad_debt(content: Content) -> str:
    """Shortfalls, where they arose and who covered them."""
    bad = content.value("bad_debt")
    covered = f"{dollars(bad)} was covered by nobody." if bad else "Every shortfall was covered."
    negative = in_unit(content.value("negative_accounts"), "accounts")
    lead = f"{covered} Customers' accounts that ended below zero: {negative}."
    if not content.shortfalls:
        return section("bad-debt", "Bad debt", "<p>No account fell short.</p>", lead)
    columns = [
        ("Insurance fund, in money", "by_fund"),
        ("Insurance fund, with wallets it took over", "by_fund_taken"),
        ("Winners", "by_winners"),
        ("Nobody", "by_nobody"),
    ]
    used = [(name, key) for name, key in columns if any(getattr(one, key) for one in content.shortfalls)]
    rows = [
        [escaped(one.instrument), *(_short(content, getattr(one, key)) for _, key in used)]
        for one in content.shortfalls
    ]
    sums = [sum(getattr(one, key) for one in content.shortfalls) for _, key in used]
    rows.append(["Sum", *(_short(content, amount) for amount in sums)])
    body = (
        "<h3>Shortfalls, by who covered them</h3>"
        + table(["Coin", *(name for name, _ in used)], rows, total=True)
        + '<p class="small">Money is what the fund’s statement says it paid. A wallet that was worth less '
        "than nothing when the fund took it over cost what it lacked without a payment: that is in what the "
        "statement has as passed with positions, and as the result of those.</p>"
        + query_block(money.SHORTFALLS_QUERY)
        + queries_block(named_queries(content, ("bad_debt", "negative_accounts")))
    )
    return section("bad-debt", "Bad debt", body, lead)


def who_paid(content: Content) -> str:
    """Everyone's results, as a picture that ends where the assets' prices went and a table that adds up."""
    body = ""
    for settlement, paid in content.paid.items():
        if len(content.paid) > 1:
            name = content.settlement_name if settlement == 0 else f"settlement asset {settlement}"
            body += f"<h3>{escaped(name)}</h3>"
        body += _flow(content, paid) + _payers_table(content, paid)
        body += query_block(money.who_paid_query(settlement))
        body += queries_block([("What assets held gained in price", money.revalued_query(settlement))])
    if content.closed_and_liquidated:
        count, among = content.closed_and_liquidated, len(content.winners)
        were = "was" if count == 1 else "were"
        body += (
            f'<p class="small">Of {among:,} accounts that ADL closed, {count:,} {were} '
            "liquidated as well and counted there, not under “closed by ADL”.</p>"
            + query_block(money.BOTH_QUERY)
        )
    if content.causes:
        rows = [[escaped(name), _exact(content, amount)] for name, amount in content.causes]
        body += (
            "<h3>Money that changed hands, by cause</h3>"
            + table(["Cause", content.settlement_name], rows)
            + '<p class="small">Each movement is counted once, from the account that paid to the one that '
            "received.</p>" + query_block(money.CAUSES_QUERY)
        )
    lead = (
        "Result of every account, deposits and withdrawals aside, added up by who it was. Each bar starts "
        "where the one above ends. One account's loss is another's gain, but for what the assets that "
        "accounts hold gained or lost in price: the last bar ends there."
    )
    return section("who-paid", "Who paid", body or "<p>No accounts were recorded.</p>", lead)


def _winners_table(content: Content) -> str:
    rows = [
        [
            f"{winner.account}",
            escaped(winner.group),
            escaped(winner.instruments),
            f"{winner.closes:,}",
            _short(content, winner.notional),
            _short(content, winner.forgone),
        ]
        for winner in content.winners[:_TOP]
    ]
    rest = content.winners[_TOP:]
    if rest:
        closes = sum(winner.closes for winner in rest)
        notional = sum(winner.notional for winner in rest)
        forgone = sum(winner.forgone for winner in rest)
        amounts = [_short(content, notional), _short(content, forgone)]
        rows.append([f"{len(rest):,} others", "", "", f"{closes:,}", *amounts])
    headings = ["Account", "Kind", "Coins", "Closes", "Notional", "Profit forgone"]
    return table(headings, rows, left=(0, 1, 2))


def _flow(content: Content, paid: money.Paid) -> str:
    """A waterfall in HTML: bars that start where the one above ends."""
    reached, payers = 0, paid.payers
    spans = []
    for payer in payers:
        spans.append((min(reached, reached + payer.result), max(reached, reached + payer.result)))
        reached += payer.result
    lowest = min((start for start, _ in spans), default=0)
    width = max(1, max((end for _, end in spans), default=0) - lowest)
    zero = 100.0 * -lowest / width
    lines = []
    for payer, (start, end) in zip(payers, spans, strict=True):
        left, across = 100.0 * (start - lowest) / width, 100.0 * (end - start) / width
        side = "loss" if payer.result < 0 else "gain"
        count = f" <i>{payer.accounts:,}</i>" if payer.accounts else ""
        lines.append(
            f"<div><span>{escaped(payer.who)}{count}</span>"
            f'<span class="track"><span class="zero" style="left:{zero:.3f}%"></span>'
            f'<span class="bar {side}" style="left:{left:.3f}%;width:{across:.3f}%"></span></span>'
            f'<span class="amount">{_short(content, payer.result, sign=True)}</span></div>'
        )
    amount = f'<span class="amount">{_exact(content, reached)}</span>'
    total = f'<div class="last"><span>Sum</span><span class="track"></span>{amount}</div>'
    return f'<div class="flow">{"".join(lines)}{total}</div>'


def _payers_table(content: Content, paid: money.Paid) -> str:
    names, payers = ("start", "deposited", "end", "result"), paid.payers
    rows = []
    for payer in payers:
        amounts = [getattr(payer, name) for name in names]
        shown = [_exact(content, amount) if amount or payer.accounts else MISSING for amount in amounts]
        rows.append([escaped(payer.who), f"{payer.accounts:,}" if payer.accounts else MISSING, *shown])
    sums = [sum(getattr(payer, name) for payer in payers) for name in names]
    accounts = sum(payer.accounts for payer in payers)
    rows.append(["Sum", f"{accounts:,}", *(_exact(content, amount) for amount in sums)])
    headings = ["Who", "Accounts", "Equity at start", "Deposited, net", "Equity at end", "Result"]
    note = f'<p class="small">Price change of all spot assets held: {_exact(content, paid.revalued)}.</p>'
    if paid.difference:
        note += (
            '<p class="partial"><b>The books do not balance</b>: results and the price change of assets '
            f"differ by {_exact(content, paid.difference)}. This is a defect of the engine; please report "
            "it.</p>"
        )
    if any(payer.kind == "unpaid" for payer in payers):
        note += (
            '<p class="small">An account loses what it had. What it lost beyond that it did not pay: that is '
            f"the row “{money.UNPAID}”, and somebody else is short of it.</p>"
        )
    return table(headings, rows, total=True) + note


def _by_group(winners: Sequence[money.Winner]) -> list[tuple[str, int]]:
    totals: dict[str, int] = {}
    for winner in winners:
        totals[winner.group] = totals.get(winner.group, 0) + winner.notional
    return sorted(totals.items(), key=lambda row: -row[1])


def _bars(content: Content, rows: Sequence[tuple[str, int]]) -> str:
    largest = max((amount for _, amount in rows), default=0) or 1
    lines = "".join(
        f'<div><span>{escaped(name)}</span><span class="track"><span class="bar" '
        f'style="display:block;width:{100.0 * amount / largest:.2f}%"></span></span>'
        f'<span class="amount">{_short(content, amount)}</span></div>'
        for name, amount in rows
    )
    return f'<div class="bars">{lines}</div>'


def _exact(content: Content, amount: int) -> str:
    return exact_units(amount, content.decimals)


def _short(content: Content, amount: int, sign: bool = False) -> str:
    return dollars(amount / 10**content.decimals, sign)

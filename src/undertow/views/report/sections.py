"""The report's sections on prices, depth and liquidation, and its head.

Each takes the content and the Bokeh divs made for it, and returns HTML. Numbers come from the tape; a
section says so when the run has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from undertow.views.notes import draws_command
from undertow.views.report import series
from undertow.views.report.charts import DEPTH_MARKS, PRICE_MARKS, STAGE_MARKS, thumbnail
from undertow.views.report.content import Content
from undertow.views.report.crowd import in_words
from undertow.views.report.headline import named_queries, story, story_queries, tiles
from undertow.views.report.template import chart, escaped, queries_block, query_block, section, table
from undertow.views.text import MISSING, dollars, figures, in_unit

CONTENTS = (
    ("prices", "What happened"),
    ("depth", "Depth"),
    ("makers", "Who stopped quoting"),
    ("leverage", "Hidden leverage"),
    ("liquidations", "Liquidations"),
    ("beside", "The venue beside"),
    ("fund", "Fund and backstop"),
    ("stock", "What was taken over"),
    ("adl", "ADL"),
    ("bad-debt", "Bad debt"),
    ("who-paid", "Who paid"),
    ("facts", "Facts"),
    ("rules", "Rulebook and case"),
    ("reproduce", "Reproduce"),
)


def head(content: Content) -> str:
    """Title, who and when, the run in a paragraph, the headline numbers."""
    record = content.record
    end = content.start + timedelta(milliseconds=content.length_ms)
    byline = [
        f"<b>{content.start:%d %B %Y}</b>, {content.start:%H:%M} to {end:%H:%M} UTC",
        f"rulebook <b>{escaped(str(record.get('rulebook', MISSING)))}</b>",
        f"{record.get('accounts', 0):,} accounts of traders",
        f"seed {record.get('seed', MISSING)}",
        f"outside prices: {escaped(str(record.get('data', 'facts')))}",
        f"Undertow {escaped(str(record.get('version', '')))}",
    ]
    absent = {
        "beside": content.both is None,
        "makers": content.quoting is None,
        "stock": content.stock is None,
    }
    links = "".join(
        f'<a href="#{anchor}">{escaped(title)}</a>' for anchor, title in CONTENTS if not absent.get(anchor)
    )
    return (
        f'<header><p class="kicker">Simulated crash · report</p><h1>{escaped(title_of(content))}</h1>'
        f'<p class="byline">{" · ".join(byline)}</p>{_partial(content)}{_one_draw(content)}'
        f'<p class="summary">{story(content)}</p>{story_queries(content)}'
        '<p class="small">A simulation. Prices outside the venue are given; everything on the venue, its '
        "prices, liquidations and losses, comes out of the engine. The facts it must meet are below.</p>"
        f'<div class="tiles">{tiles(content)}</div><nav aria-label="Contents">{links}</nav></header>'
    )


def title_of(content: Content) -> str:
    """The run's title."""
    return str(content.record.get("title") or content.record.get("case") or content.folder.name)


def prices(content: Content, divs: Mapping[str, str]) -> str:
    """Venue against outside: a thumbnail for each coin, one coin at a time in full."""
    if not content.instruments:
        return section("prices", "What happened", "<p>No prices were recorded.</p>")
    lowest = min((one.fall_percent or 0.0) for one in content.instruments)
    outside = min((one.outside_fall_percent or 0.0) for one in content.instruments)
    shown = content.instruments[0].name
    cards = "".join(
        f'<button class="coin" type="button" data-name="{escaped(one.name)}" '
        f'aria-pressed="{"true" if one.name == shown else "false"}">'
        f"<b>{escaped(one.name)} <span>{in_unit(one.fall_percent, '%')}</span></b>"
        f"{thumbnail(one, min(lowest, outside) * 1.03 - 0.5)}"
        f"<small>outside {in_unit(one.outside_fall_percent, '%')}</small></button>"
        for one in content.instruments
    )
    body = (
        f'<div class="coins">{cards}</div>{_picker(content)}'
        + chart(
            divs["price"],
            "The venue's last trade and mark against the outside. Drag to zoom; all charts over time follow.",
            series.PRICES_QUERY.format(name=shown),
            "Prices, USD",
            PRICE_MARKS,
        )
        + chart(
            divs["gap"],
            "The same as a gap: venue over outside less one. Below zero the venue is cheaper.",
            series.PRICES_QUERY.format(name=shown),
            "Venue against outside, %",
        )
        + _prices_table(content)
    )
    lead = (
        "Deepest fall on the venue by coin, solid; the outside price, dashed. All thumbnails share one "
        "scale. Choose a coin to see it in full."
    )
    return section("prices", "What happened", body, lead)


def depth(content: Content, divs: Mapping[str, str]) -> str:
    """How much could be sold, and when it was gone."""
    with_depth = [one for one in content.instruments if len(one.depth_time_ms)]
    if not with_depth or "depth" not in divs:
        return section("depth", "Depth", "<p>Depth was not sampled in this run.</p>")
    rows = []
    for one in with_depth:
        total = one.depth["bid_1pct"] + one.depth["ask_1pct"]
        low = int(total.argmin())
        share = total[low] / total[0] if total[0] else float("nan")
        rows.append(
            [
                escaped(one.name),
                dollars(float(total[0])),
                dollars(float(total[low])),
                MISSING if share != share else f"{figures(100 * share, 2)} %",
                content.clock(float(one.depth_time_ms[low]) / 1000),
                dollars(float(one.depth["bid_1pct"].min())),
            ]
        )
    body = (
        _picker(content)
        + chart(
            divs["depth"],
            "Resting orders within 1 % and 4 % of the mark, logarithmic. A gap in a line is an empty side.",
            series.DEPTH_QUERY.format(name=with_depth[0].name),
            "Resting orders, USD",
            DEPTH_MARKS,
        )
        + table(["Coin", "At the start", "Lowest", "Left of it", "At (UTC)", "Lowest, bids only"], rows)
        + '<p class="small">Both sides within 1 % of the mark.</p>'
    )
    return section("depth", "Depth", body, "What stood in the book near the mark.")


def liquidations(content: Content, divs: Mapping[str, str]) -> str:
    """The waterfall minute by minute."""
    if "stages" not in divs:
        return section("liquidations", "Liquidations", "<p>Nobody was liquidated.</p>")
    orders, takeovers, adl = (content.value(name) or 0.0 for name in ("orders", "takeovers", "adl"))
    lead = (
        f"{in_words(content.struck) or 'No accounts'} were liquidated. "
        f"The book took {dollars(orders)}, the backstop {dollars(takeovers)}, winners {dollars(adl)} by ADL."
    )
    body = chart(
        divs["stages"],
        "Notional per minute, by the stage of the waterfall that dealt with it. "
        "What the house sells on was taken over before and is not new liquidation.",
        series.STAGES_QUERY,
        "Notional per minute, USD",
        [STAGE_MARKS[stage] for stage in content.stages],
    )
    body += queries_block(named_queries(content, ("orders", "takeovers", "adl")))
    return section("liquidations", "Liquidations", body, lead)


def _one_draw(content: Content) -> str:
    """That the page shows one draw of many, and where to find the others."""
    standing, seed = content.standing, escaped(str(content.record.get("seed", MISSING)))
    said = f"<b>One draw of many.</b> Seed {seed} drew this crowd; another seed gives other numbers."
    if standing is not None:
        where = escaped(standing.folder.name)
        return (
            f'<p class="draw">{said} {standing.draws} draws of the same case are in <code>{where}</code>: '
            "each number below says how far they reach.</p>"
        )
    command = escaped(draws_command(content.record))
    if not command:
        return f'<p class="draw">{said}</p>'
    place = "" if content.record.get("given") else ", in the folder of this report"
    return f'<p class="draw">{said} How far they lie apart{place}: <code>{command}</code></p>'


def _partial(content: Content) -> str:
    if not content.partial:
        return ""
    done, total = content.record.get("steps_done", 0), content.record.get("steps_total", 0)
    return (
        f'<p class="partial"><b>Partial run.</b> It was cut short after {done:,} of {total:,} steps; every '
        "number here covers that part only.</p>"
    )


def _picker(content: Content) -> str:
    options = "".join(f"<option>{escaped(one.name)}</option>" for one in content.instruments)
    return f'<p class="pick"><label>Coin <select aria-label="Coin to show">{options}</select></label></p>'


def _prices_table(content: Content) -> str:
    rows = []
    for one in content.instruments:
        low = content.value("low_time", one.name)
        rows.append(
            [
                escaped(one.name),
                in_unit(content.value("fall", one.name), "%"),
                MISSING if low is None else content.clock(low),
                in_unit(one.outside_fall_percent, "%"),
                in_unit(content.value("gap", one.name), "%"),
            ]
        )
    headings = ["Coin", "Deepest fall", "Low at (UTC)", "Outside fell", "Widest discount"]
    return table(headings, rows) + query_block(content.query("fall", content.instruments[0].name))

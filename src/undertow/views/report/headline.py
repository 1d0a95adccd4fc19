"""The report's head: the run in a few sentences, its headline numbers, the queries behind both."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.views.report import crowd
from undertow.views.report.content import Content, deepest
from undertow.views.report.series import PRICES_QUERY
from undertow.views.report.template import escaped, queries_block, tile
from undertow.views.text import dollars, in_unit

_TOLD = ("liquidated_loss", "fund_draw", "adl_accounts", "adl", "bad_debt")
_TILES = ("liquidated_loss", "orders", "takeovers", "adl", "fund_draw", "bad_debt")


def story(content: Content) -> str:
    """The run in three or four sentences."""
    parts = []
    worst = deepest(content.instruments)
    if worst is not None:
        when = content.value("low_time", worst.name)
        at = f" at {content.clock(when)} UTC" if when is not None else ""
        parts.append(
            f"{escaped(worst.name)} fell furthest: {in_unit(worst.fall_percent, '%')} on the venue{at}, "
            f"against {in_unit(worst.outside_fall_percent, '%')} outside."
        )
    who, lost = crowd.in_words(content.struck), content.value("liquidated_loss") or 0.0
    if who:
        result = f"lost {dollars(lost)}" if lost >= 0 else f"gained {dollars(-lost)} all the same"
        parts.append(f"{escaped(who)} were liquidated and {result}.")
    else:
        parts.append("No account was liquidated.")
    draw, adl = content.value("fund_draw"), content.value("adl")
    fund = (
        f"The insurance fund was drawn down by {dollars(draw)}"
        if draw
        else "The insurance fund was not drawn"
    )
    if adl:
        winners = in_unit(content.value("adl_accounts"), "accounts")
        why = f", {content.reasons.clause}" if content.reasons is not None else ""
        parts.append(
            f"{fund}; {winners} winning accounts had {dollars(adl)} of positions closed by ADL{why}."
        )
    else:
        parts.append(f"{fund}, and no winner was closed.")
    bad = content.value("bad_debt")
    parts.append(f"{dollars(bad)} was left as bad debt." if bad else "No bad debt was left.")
    return " ".join(parts)


def story_queries(content: Content) -> str:
    """The queries behind the sentences, folded away."""
    queries: list[tuple[str, str]] = []
    worst = deepest(content.instruments)
    if worst is not None:
        queries = named_queries(content, ("fall", "low_time"), worst.name)
        queries.append((f"Prices of {worst.name}, outside too", PRICES_QUERY.format(name=worst.name)))
    queries.append(("Who was liquidated", crowd.STRUCK_QUERY))
    return queries_block([*queries, *named_queries(content, _TOLD)])


def named_queries(content: Content, names: Sequence[str], instrument: str = "") -> list[tuple[str, str]]:
    """Labels and queries of outcomes."""
    found = [content.found[name, instrument] for name in names if (name, instrument) in content.found]
    return [(f"{one.label}, {instrument}" if instrument else one.label, one.query) for one in found]


def tiles(content: Content) -> str:
    """The headline numbers."""
    found = []
    worst = deepest(content.instruments)
    if worst is not None:
        query = content.query("fall", worst.name)
        reach = content.reach("fall", worst.name)
        found.append(tile(in_unit(worst.fall_percent, "%"), "deepest fall", worst.name, query, reach))
        gap, name = min((content.value("gap", one.name) or 0.0, one.name) for one in content.instruments)
        query = content.query("gap", name)
        label, reach = "widest discount to the outside", content.reach("gap", name)
        found.append(tile(in_unit(gap, "%"), label, name, query, reach))
    found += _struck(content)
    for name in _TILES:
        outcome = content.found.get((name, ""))
        if outcome is not None and outcome.value is not None:
            value = in_unit(outcome.value, outcome.unit)
            found.append(tile(value, outcome.label, _note(content, name), outcome.query, content.reach(name)))
    if content.score is not None:
        passed, total = content.score.count(calibrated=False)
        fitted, fitted_total = content.score.count(calibrated=True)
        note = f"{fitted} of {fitted_total} calibrated; " if fitted_total else ""
        note = f"{note}each has its query below"
        found.append(tile(f"{passed} of {total}", "predicted facts met", note, reach=_met(content)))
    elif content.record.get("not_scored"):
        found.append(tile("not scored", "facts", "another rulebook owes none of them"))
    return "".join(found)


def _struck(content: Content) -> list[str]:
    """Traders against traders; who else was liquidated stands beside them."""
    if not content.struck:
        return []
    first = content.struck[0]
    others = [f"{row.count} {crowd.plural(row.group)}" for row in content.struck[1:]]
    note = "; ".join(part for part in (first.stands_for, ", ".join(others)) if part)
    label = f"accounts of {crowd.plural(first.group)} liquidated"
    reach = content.reach("liquidated_traders") if first.group == crowd.TRADER else ""
    return [tile(first.count, label, note, crowd.STRUCK_QUERY, reach)]


def _met(content: Content) -> str:
    """How many predicted facts other draws meet."""
    standing = content.standing
    if standing is None or not standing.predicted:
        return ""
    least, largest = min(standing.met), max(standing.met)
    reach = f"{least}" if least == largest else f"{least} to {largest}"
    return f"{standing.draws} draws: {reach} of {standing.predicted}"


def _note(content: Content, name: str) -> str:
    """What must be known beside a number for it not to mislead."""
    adl = content.value("adl")
    if name == "fund_draw" and adl:
        return f"beside {dollars(adl)} closed by ADL"
    if name == "adl" and content.reasons is not None:
        return f"{dollars(content.reasons.by_limit)} of it as the fund may hold no more"
    return ""

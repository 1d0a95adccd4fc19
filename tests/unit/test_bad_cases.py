"""Broken case files: each gets exactly these sentences, all of them at once, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.case.load import case_names, check_case, load_case
from undertow.errors import CaseError
from undertow.lab.score import check_facts

GOOD = (ROOT / "docs/how-to/small-crash.toml").read_text().partition("[beside]")[0]
UTC_TIME = "a UTC time such as 2025-10-10T20:40:00Z"
BOOK = "which rulebook 'binance-2025' does not"
MODES = "'load', 'recorded', 'both' or 'none'"
UNITS = "%, ratio, times, USD, thousand USD, million USD, billion USD, s, min, h, accounts, events, timestamp"


def broken(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def with_table(table: str) -> str:
    return broken(("[crowd.makers]", f"{table}\n\n[crowd.makers]"))


FILES: dict[str, tuple[str, list[str]]] = {
    "unknown key": (
        broken(("fund_usd = ", "fund_us = ")),
        [
            "house.fund_usd: is missing; give a number of dollars, 0 or more",
            "house.fund_us: is not a key here; did you mean 'fund_usd'?",
        ],
    ),
    "unknown table": (
        f'{GOOD}\n[wheather]\nmode = "none"\n',
        ["wheather: is not a key here; did you mean 'weather'?"],
    ),
    "nearly everything left out": (
        'name = "x"\ntitle = "y"\nsummary = "z"\n[facts]\n',
        [
            "rulebook: is missing; give text: a preset's name, or the path of a TOML file, "
            "seen from this file",
            f"start: is missing; give {UTC_TIME}",
            f"end: is missing; give {UTC_TIME}",
            "house: is missing; give a table: what the house starts with",
            "world: is missing; give a table: prices off the venue",
            "instruments: is missing; give a list: what the venue lists",
            "facts: is a table; must be a list",
        ],
    ),
    "number in quotes": (
        broken(("accounts = 300", 'accounts = "300"')),
        ["accounts: is '300'; must be a whole number from 100 to 50000000"],
    ),
    "number that is not whole": (
        broken(("accounts = 300", "accounts = 300.5")),
        ["accounts: is 300.5; must be a whole number from 100 to 50000000"],
    ),
    "truth value for a number": (
        broken(("firms = 3", "firms = true")),
        ["crowd.makers.firms: is true; must be a whole number from 1 to 64"],
    ),
    "text for a truth value": (
        broken(("low = true", 'low = "yes"')),
        ["world.coin.0.anchors.2.low: is 'yes'; must be true or false"],
    ),
    "number that is none": (
        broken(("fund_usd = 2_000_000", "fund_usd = nan")),
        ["house.fund_usd: is NaN; must be a number of dollars, 0 or more"],
    ),
    "negative number": (
        broken(("capital_usd = 3e6", "capital_usd = -3e6")),
        ["crowd.makers.capital_usd: is -3000000; must be a number of dollars above 0"],
    ),
    "share above the whole": (
        broken(("failing = 0.2", "failing = 20")),
        ["weather.incidents.0.failing: is 20; must be a number from 0 to 1"],
    ),
    "share above the whole, by a check of the crowd": (
        with_table("[crowd.population]\nlong_accounts = 1.5"),
        ["crowd.population.long_accounts: is 1.5; 0 to 1 is needed"],
    ),
    "one number of two": (
        with_table("[crowd.population]\nleverage_limits = [1]"),
        ["crowd.population.leverage_limits.1: is missing; give a number"],
    ),
    "number for a pair": (
        with_table("[crowd.population]\nleverage_limits = 5"),
        ["crowd.population.leverage_limits: is 5; must be a list of 2 numbers"],
    ),
    "table that is a number": (
        broken(("[crowd.makers]\nfirms = 3\ncapital_usd = 3e6", "[crowd]\nmakers = 3")),
        ["crowd.makers: is 3; must be a table"],
    ),
    "word that is none of the choices": (
        broken(('kind = "spot"', 'kind = "sport"')),
        [
            "instruments.2.kind: is 'sport', must be 'linear', 'inverse' or 'spot'; did you mean 'spot'?",
        ],
    ),
    "name with capitals": (
        broken(('name = "small-crash"', 'name = "Small Crash"')),
        ["name: is 'Small Crash'; must be lower-case words joined by hyphens"],
    ),
    "empty title": (
        broken(('title = "Three minutes on a small venue"', 'title = ""')),
        ["title: is empty; give text: one line"],
    ),
    "time that is none": (
        broken(("end = 2025-01-01T12:03:00Z", 'end = "later"')),
        [f"end: is 'later'; must be {UTC_TIME}"],
    ),
    "seconds for a time": (
        broken(("end = 2025-01-01T12:03:00Z", "end = 180")),
        [f"end: is 180; must be {UTC_TIME}"],
    ),
    "end before start": (
        broken(("end = 2025-01-01T12:03:00Z", "end = 2025-01-01T11:03:00Z")),
        ["end: is 2025-01-01T11:03:00Z, not after start 2025-01-01T12:00:00Z; give a later time"],
    ),
    "steps that do not fit": (
        broken(("accounts = 300", "accounts = 300\nstep_seconds = 7")),
        ["step_seconds: is 7, which does not divide the 180 s from start to end; choose one that does"],
    ),
    "a part of a second that seconds do not end with": (
        broken(("accounts = 300", "accounts = 300\nstep_seconds = 0.3")),
        ["step_seconds: is 0.3; below one second, a step is 0.1, 0.2, 0.25, 0.5"],
    ),
    "a step and a half": (
        broken(("accounts = 300", "accounts = 300\nstep_seconds = 1.5")),
        ["step_seconds: is 1.5; from one second on, a step is a whole number of seconds"],
    ),
    "funding before the start": (
        broken(("first_funding = 2025-01-01T16", "first_funding = 2025-01-01T08")),
        [
            "house.first_funding: is 2025-01-01T08:00:00Z, before start 2025-01-01T12:00:00Z; "
            "give a later time"
        ],
    ),
    "incident that ends before it begins": (
        broken(("end_s = 120", "end_s = 30")),
        ["weather.incidents.0.end_s: is 30.0; more than start_s (60.0) is needed"],
    ),
    "anchor without a source": (
        broken(('price = 49_900, source = "made up"', "price = 49_900")),
        ["world.coin.0.anchors.1.source: is missing; give text: where it was published or recorded"],
    ),
    "anchor with price and fall": (
        broken(("price = 49_900,", "price = 49_900, fall = 0.1,")),
        ["world.coin.0.anchors.1.fall: stands beside price; give one of the two"],
    ),
    "anchor with neither": (
        broken(("price = 49_900, ", "")),
        ["world.coin.0.anchors.1.price: is missing; give a price in dollars or a fall"],
    ),
    "price of nothing": (
        broken(("price = 49_900,", "price = 0,")),
        ["world.coin.0.anchors.1.price: is 0; must be a number above 0"],
    ),
    "anchors out of order": (
        broken(("time = 2025-01-01T12:01:00Z", "time = 2025-01-01T12:02:30Z")),
        [
            "world.coin.0.anchors.2.time: is 2025-01-01T12:02:00Z, not after the row before; "
            "put rows in time order"
        ],
    ),
    "fall from nothing": (
        broken(("price = 0.2,", "fall = 0.2,")),
        ["world.coin.1.anchors.0.price: is missing; give one, a coin's falls are measured from it"],
    ),
    "low that is not the lowest": (
        broken(("low = true, ", ""), ("price = 49_900,", "price = 49_900, low = true,")),
        [
            "world.coin.0.anchors.1.low: is true at 49900, but an anchor of the coin or its shape gives "
            "40000; mark the lowest one"
        ],
    ),
    "no anchors": (
        broken(('[{ time = 2025-01-01T12:00:00Z, price = 1, source = "made up" }]', "[]")),
        ["world.coin.2.anchors: is empty; give a list: in time order, the first with a price"],
    ),
    "coin twice": (
        broken(('coin = "USDE"\nanchors', 'coin = "BTC"\nanchors')),
        [
            "world.coin.2.coin: is 'BTC' again; give every coin one row",
            "instruments.2.coin: is 'USDE', which [[world.coin]] does not have; known: BTC, DOGE",
        ],
    ),
    "shape that is not there": (
        broken(('shape = "follower"', 'shape = "folower"')),
        ["world.coin.1.shape: is 'folower', which [world.shapes] does not have; did you mean 'follower'?"],
    ),
    "figure beside a shape": (
        broken(('shape = "follower"', 'shape = "follower"\nbeta = 2')),
        ["world.coin.1.beta: does nothing beside a shape; set it in [world.shapes.follower]"],
    ),
    "shape with a price": (
        broken(("fall = 0.2, source", "price = 0.2, source")),
        ["world.shapes.follower.falls.0.price: is one price for every coin of the class; give fall instead"],
    ),
    "shape that falls before a coin has a price": (
        broken(("2025-01-01T12:02:40Z", "2025-01-01T11:59:00Z")),
        [
            "world.coin.1.anchors.0.time: is 2025-01-01T12:00:00Z, after a fall of its shape at "
            "2025-01-01T11:59:00Z; give a price at that time or before"
        ],
    ),
    "reference that is not there": (
        broken(('reference = "BTC"', 'reference = "BCT"')),
        [
            "world.coin.1.shape: follows 'BCT' by its shape 'follower', which [[world.coin]] does not "
            "have; did you mean 'BTC'?"
        ],
    ),
    "reference further down": (
        broken(('reference = "BTC"', 'reference = "USDE"')),
        [
            "world.coin.1.shape: follows 'USDE' by its shape 'follower', which does not stand above it; "
            "move that coin's row up"
        ],
    ),
    "instrument without a coin": (
        broken(('coin = "DOGE"\nmargin', 'coin = "DOG"\nmargin')),
        ["instruments.1.coin: is 'DOG', which [[world.coin]] does not have; did you mean 'DOGE'?"],
    ),
    "instrument twice": (
        broken(('name = "DOGE-PERP"', 'name = "BTC-PERP"')),
        ["instruments.1.name: is 'BTC-PERP' again; give every instrument its own"],
    ),
    "margin class that is not there": (
        broken(('margin_class = "alt"', 'margin_class = "alts"')),
        [f"instruments.1.margin_class: is 'alts', {BOOK} have; did you mean 'alt'?"],
    ),
    "collateral that the rulebook does not take": (
        broken(('name = "USDe"', 'name = "USDE"'), ('instrument = "USDe"', 'instrument = "USDE"')),
        [f"instruments.2.name: is 'USDE', {BOOK} take as collateral; did you mean 'USDe'?"],
    ),
    "open interest of an asset": (
        broken(("collateral_share = 0.2", "collateral_share = 0.2\nopen_interest_usd = 5")),
        ["instruments.2.open_interest_usd: does nothing for kind 'spot'; leave it out"],
    ),
    "collateral given twice": (
        broken(("collateral_share = 0.2", "collateral_share = 0.2\ncollateral_usd = 5e6")),
        [
            "instruments.2.collateral_usd: stands beside collateral_share, which it replaces; "
            "leave one of them out"
        ],
    ),
    "a looped asset that is a contract": (
        broken(
            ("[crowd.makers]", '[crowd.loopers]\nassets = [{ instrument = "BTC-PERP" }]\n\n[crowd.makers]')
        ),
        [
            "crowd.loopers.assets.0.instrument: is 'BTC-PERP', which is no spot asset of [[instruments]]; "
            "known: USDe"
        ],
    ),
    "more collateral than equity": (
        broken(
            (
                "[crowd.makers]",
                '[[instruments]]\nname = "BTC"\nkind = "spot"\ncoin = "BTC"\n'
                'tick_usd = 0.1\nlot = 0.001\ncollateral_share = 0.9\nsource = "made up"\n\n[crowd.makers]',
            )
        ),
        [
            "instruments: has collateral_share of 1.1 in all; 1 is the whole equity, "
            "and what is left of it is cash"
        ],
    ),
    "nobody holds a contract": (
        broken(("open_interest_usd = 10e6\n", ""), ("open_interest_usd = 50e6\n", "")),
        ["instruments: has no contract with open interest; give one an open_interest_usd"],
    ),
    "tick too fine": (
        broken(("tick_usd = 0.00001", "tick_usd = 0.0000001")),
        [
            "instruments.1.tick_usd: is 0.0000001, and times lot 1 is no whole number of micro-dollars; "
            "choose a coarser tick or lot"
        ],
    ),
    "a tick above the price": (
        broken(("tick_usd = 0.1", "tick_usd = 500000")),
        ["instruments.0.tick_usd: is 500000, above the first price of 'BTC', 50000; choose a smaller tick"],
    ),
    "bid for what is not listed": (
        broken(('instrument = "USDe"', 'instrument = "USDT"')),
        [
            "crowd.patient.resting_bids.0.instrument: is 'USDT', which [[instruments]] does not have; "
            "did you mean 'USDe'?"
        ],
    ),
    "profile that is not there": (
        broken(("firms = 3", 'firms = 3\nprofile = "portfoilo"')),
        [f"crowd.makers.profile: is 'portfoilo', {BOOK} have; did you mean 'portfolio'?"],
    ),
    "mechanism with an unknown key": (
        broken(('"weather.mode" = "none"', '"weather.mod" = "none"')),
        ["mechanisms.weather.set.weather.mod: is not a key here; did you mean 'mode'?"],
    ),
    "mechanism with a value that is none": (
        broken(('"weather.mode" = "none"', '"weather.mode" = "non"')),
        [
            f"mechanisms.weather.set.weather.mode: is 'non', must be {MODES}; did you mean 'none'?",
        ],
    ),
    "mechanism with an unknown rule": (
        broken(("rulebook.mark.basis_window_seconds", "rulebook.mark.basis_windows")),
        [
            "mechanisms.slow-basis.set.rulebook.mark.basis_windows: 'basis_windows' is not a key here; "
            "did you mean 'basis_window_seconds'?"
        ],
    ),
    "mechanism with an unknown row": (
        broken(('"weather.mode" = "none"', '"instruments.ETH-PERP.lot" = 1')),
        [
            "mechanisms.weather.set.instruments.ETH-PERP.lot: there is no row 'ETH-PERP'; "
            "did you mean 'BTC-PERP'?"
        ],
    ),
    "mechanism that rewrites a fact": (
        broken(('"weather.mode" = "none"', '"facts.btc-low.value" = 1')),
        [
            "mechanisms.weather.set.facts.btc-low.value: is not part of the crash; "
            "name a figure of the world, crowd or house"
        ],
    ),
    "mechanism that does nothing": (
        broken(('{ "weather.mode" = "none" }', "{}")),
        ["mechanisms.weather.set: is empty; give a table: overrides, dotted key = value"],
    ),
    "rulebook that is no preset": (
        broken(('rulebook = "binance-2025"', 'rulebook = "binance-2052"')),
        ["rulebook: is 'binance-2052', which is no preset; did you mean 'binance-2025'?"],
    ),
    "rule that is not there": (
        broken(("accounts = 300", "accounts = 300\nrulebook_overrides = { mark.basis_windows = 3 }")),
        [
            "rulebook_overrides.mark.basis_windows: 'basis_windows' is not a key here; "
            "did you mean 'basis_window_seconds'?"
        ],
    ),
    "rule out of range": (
        broken(("accounts = 300", 'accounts = 300\nrulebook_overrides = { "mark.update_seconds" = -3 }')),
        [
            "rulebook_overrides.mark.update_seconds: is -3; must be a whole number of seconds "
            "from 0 to 31536000"
        ],
    ),
    "fact in an unknown unit": (
        broken(('unit = "USD"', 'unit = "dollars"')),
        [f"facts.0.unit: unknown unit 'dollars'; one of {UNITS}"],
    ),
    "fact that is no number": (
        broken(("value = 40_000", 'value = "low"')),
        [f"facts.0.value: is 'low'; must be a number, or {UTC_TIME}"],
    ),
    "fact without tolerance": (
        broken(("amount = 30", "amount = 0")),
        ["facts.1.tolerance.amount: is 0; must be a number above 0"],
    ),
    "fact by a measure that is none": (
        broken(('"time_of_low"', '"time_of_lows"')),
        ["facts.1 (btc-low-time): query: no measure is called 'time_of_lows'; did you mean 'time_of_low'?"],
    ),
    "fact with an argument that is none": (
        broken((', from = "12:01"', ', since = "12:01"')),
        [
            "facts.0 (btc-low): query: measure 'low_price' has no argument 'since'; "
            "it takes instrument, from, to, field"
        ],
    ),
    "fact of what is not listed": (
        broken(('instrument = "BTC-PERP" }', 'instrument = "BTC" }')),
        [
            "facts.1.query.instrument: is 'BTC', which [[instruments]] does not have; "
            "known: BTC-PERP, DOGE-PERP, USDe"
        ],
    ),
    "fact of several, one of them not listed": (
        broken(
            (
                'measure = "time_of_low", instrument = "BTC-PERP"',
                'measure = "median_time_of_low", instruments = ["BTC-PERP", "DOGE"]',
            )
        ),
        [
            "facts.1.query.instruments.1: is 'DOGE', which [[instruments]] does not have; "
            "did you mean 'DOGE-PERP'?"
        ],
    ),
    "fact of a list that is none": (
        broken(
            (
                'measure = "time_of_low", instrument = "BTC-PERP"',
                'measure = "median_time_of_low", instruments = "BTC-PERP"',
            )
        ),
        [
            "facts.1 (btc-low-time): query: 'instruments' must be a list of names such as ['BTC-PERP'], "
            "not 'BTC-PERP'"
        ],
    ),
    "fact in a block that is none": (
        broken(('id = "btc-low-time"', 'id = "btc-low-time"\nblock = "gaps"')),
        [
            "facts.1.block: is 'gaps'; must be 'gap path', 'times', 'depth', 'flow against price', "
            "'stocks lost', 'collateral', 'lows' or 'control'"
        ],
    ),
    "fact twice": (
        broken(('id = "btc-low-time"', 'id = "btc-low"')),
        ["facts.1 (btc-low): id: used twice; give each fact its own"],
    ),
    "not TOML": (
        broken(("accounts = 300", "accounts = 3 00")),
        [
            "line 9, column 14: is not valid TOML (expected newline or end of document after a "
            "statement); correct it there"
        ],
    ),
    "many faults at once": (
        broken(
            ("accounts = 300", "acounts = 300"),
            ("fund_usd = 2_000_000", 'fund_usd = "much"'),
            ('coin = "DOGE"\nmargin', 'coin = "DOG"\nmargin'),
            ('margin_class = "alt"', 'margin_class = "alts"'),
            ('"weather.mode" = "none"', '"weather.mod" = "none"'),
            ('"time_of_low"', '"time_of_lows"'),
        ),
        [
            "house.fund_usd: is 'much'; must be a number of dollars, 0 or more",
            "instruments.1.coin: is 'DOG', which [[world.coin]] does not have; did you mean 'DOGE'?",
            f"instruments.1.margin_class: is 'alts', {BOOK} have; did you mean 'alt'?",
            "acounts: is not a key here; did you mean 'accounts'?",
            "mechanisms.weather.set.weather.mod: is not a key here; did you mean 'mode'?",
            "facts.1 (btc-low-time): query: no measure is called 'time_of_lows'; did you mean 'time_of_low'?",
        ],
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "small.toml"


def test_the_file_that_is_broken_below_is_good(path: Path) -> None:
    path.write_text(GOOD)
    case, faults = check_case(path, check_facts)
    assert faults == []
    assert case is not None and case.steps == 180


@pytest.mark.parametrize("name", FILES)
def test_bad_file(name: str, path: Path) -> None:
    text, messages = FILES[name]
    path.write_text(text)
    assert check_case(path, check_facts)[1] == [f"{path}: {message}" for message in messages]


def test_loading_says_all_that_checking_says(path: Path) -> None:
    path.write_text(FILES["coin twice"][0])
    with pytest.raises(CaseError) as error:
        load_case(path)
    assert str(error.value).splitlines() == check_case(path)[1]


def test_a_broken_rulebook_file_names_itself(path: Path) -> None:
    path.write_text(broken(('rulebook = "binance-2025"', 'rulebook = "house.toml"')))
    book = path.parent / "house.toml"
    assert check_case(path)[1] == [
        f"{path}: rulebook: is 'house.toml', but there is no file {book}; "
        "a path in a case file starts at that file"
    ]
    book.write_text("name = 3 00")
    (fault,) = check_case(path)[1]
    assert fault.startswith(f"{book}: line 1, column 10: is not valid TOML")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("oct-2024", "oct-2024: there is no such case; did you mean 'oct-2025'?"),
        ("nowhere.toml", "nowhere.toml: there is no such file; give the path of a TOML file"),
        ("xyz", f"xyz: there is no such case; known: {', '.join(case_names())}"),
    ],
)
def test_a_case_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(CaseError) as error:
        load_case(name)
    assert str(error.value) == message

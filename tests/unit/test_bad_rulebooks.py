"""Broken rulebook files: each gets exactly these sentences, all of them at once, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from undertow.errors import RulebookError
from undertow.rulebook.load import check_rulebook, load_rulebook

GOOD = """
name = "small"
title = "A small venue"
as_of = 2025-10-10
settlement = "USD"
contract = "linear"
summary = "One class of contracts, one collateral asset, everything else left out."

[sources]
page = { title = "The venue's help page", standing = "documented" }
choice = { title = "Our choice", standing = "inference" }

[fees]
source = "page"
taker_ppm = 500
maker_ppm = -100
liquidation_ppm = 0

[orders]
source = "page"
price_band_ppm = 50000
market_band_ppm = 50000
band_reference = "mark"
min_notional_usd = 10
self_trade = "allow"
reduce_only = "each"
amend_post_only = "refused"
freeze_on_liquidation = true
match_check = "equity"

[index]
source = "page"
method = "median"
stale_seconds = 30
outlier_ppm = 0
minimum_constituents = 1

[mark]
source = "page"
method = "median-of-three"
basis_window_seconds = 30
update_seconds = 1

[funding]
source = "page"
interval_seconds = 28800
sample_seconds = 5
premium = "mid"
notional = "mark"
interest_ppm = 100
clamp_ppm = 500
period_seconds = 28800

[margin]
source = "page"
default = "BTC"

[margin.classes.BTC]
source = "page"
kind = "brackets"
brackets = [
    { cap_usd = 50000, max_leverage = 100, maintenance_ppm = 5000 },
    { cap_usd = 250000, max_leverage = 50, maintenance_ppm = 10000, deduction_usd = 250 },
]

[profiles.single]
source = "page"
collateral = "weighted"
borrowing = false
trigger_at_equality = true

[collateral.ETH]
source = ["page", "choice"]
inferred = ["weight_initial_ppm"]
kind = "flat"
weight_total_ppm = 950000
weight_initial_ppm = 900000
price = { kind = "index" }

[auto_conversion]
source = "page"
kind = "none"

[liquidation]
source = "page"
pacing = "staged"
threshold_usd = 100000
first_ppm = 200000
cooldown_seconds = 30

[backstop]
source = "page"
kind = "none"

[insurance]
source = "page"
cover = "partial"
debt_without_position = "covered"

[allocation]
source = "page"
policy = "contract-pro-rata"
price = "bankruptcy"
trigger = "fund-exhausted"

[gates]
source = "page"
"""

PPM_RATE = "must be a whole number of parts per million from 0 to 1000000"


def broken(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


CASES: dict[str, tuple[str, list[str]]] = {
    "unknown key": (
        broken("taker_ppm = 500", "taker_pmm = 500"),
        [
            "fees.taker_ppm: is missing; give a whole number of parts per million from -1000000 to 1000000",
            "fees.taker_pmm: is not a key here; did you mean 'taker_ppm'?",
        ],
    ),
    "unknown key without a likely meaning": (
        broken('kind = "none"\n\n[liquidation]', 'kind = "none"\nxyzzy = 1\n\n[liquidation]'),
        [
            "auto_conversion.xyzzy: is not a key here; known: source, inferred, kind, cash_floor_usd, "
            "ratio_of_net_collateral, margin_fraction_slack_ppm, profiles"
        ],
    ),
    "unknown table": (
        broken("[gates]", "[gate]"),
        ["gates: is missing; give a table", "gate: is not a key here; did you mean 'gates'?"],
    ),
    "float where a whole number belongs": (
        broken("price_band_ppm = 50000", "price_band_ppm = 0.05"),
        ["orders.price_band_ppm: is 0.05; must be a whole number of parts per million from 0 to 100000000"],
    ),
    "number in quotes": (
        broken("update_seconds = 1", 'update_seconds = "1"'),
        ["mark.update_seconds: is '1'; must be a whole number of seconds from 0 to 31536000"],
    ),
    "negative time": (
        broken("stale_seconds = 30", "stale_seconds = -30"),
        ["index.stale_seconds: is -30; must be a whole number of seconds from 0 to 31536000"],
    ),
    "interval of no length": (
        broken("interval_seconds = 28800", "interval_seconds = 0"),
        ["funding.interval_seconds: is 0; must be a whole number of seconds from 1 to 31536000"],
    ),
    "share above the whole": (
        broken("weight_total_ppm = 950000", "weight_total_ppm = 1950000"),
        [f"collateral.ETH.weight_total_ppm: is 1950000; {PPM_RATE}"],
    ),
    "text instead of a truth value": (
        broken("freeze_on_liquidation = true", 'freeze_on_liquidation = "yes"'),
        ["orders.freeze_on_liquidation: is 'yes'; must be true or false"],
    ),
    "money that is not a number": (
        broken("min_notional_usd = 10", "min_notional_usd = nan"),
        [
            "orders.min_notional_usd: is NaN; must be an amount from 0 to 1000000000000 "
            "with at most 6 decimal places"
        ],
    ),
    "money finer than a micro-dollar": (
        broken("min_notional_usd = 10", "min_notional_usd = 0.0000001"),
        [
            "orders.min_notional_usd: is 1E-7; must be an amount from 0 to 1000000000000 "
            "with at most 6 decimal places"
        ],
    ),
    "mechanism that does not exist": (
        broken('pacing = "staged"', 'pacing = "stagged"'),
        [
            "liquidation.pacing: is 'stagged', must be 'random-slices', 'one-shot', 'staged' or "
            "'fillable-price'; did you mean 'staged'?"
        ],
    ),
    "figure of another mechanism": (
        broken("first_ppm = 200000", "first_ppm = 200000\nfee_cap_ppm = 5000"),
        ["liquidation.fee_cap_ppm: does nothing under pacing 'staged'; it belongs to 'fillable-price'"],
    ),
    "figure that the mechanism needs": (
        broken("basis_window_seconds = 30\n", ""),
        ["mark.basis_window_seconds: is missing; method 'median-of-three' needs it"],
    ),
    "date that is none": (
        broken("as_of = 2025-10-10", 'as_of = "autumn"'),
        ["as_of: is 'autumn'; must be a date such as 2025-10-10"],
    ),
    "name with capitals": (
        broken('name = "small"', 'name = "Small Venue"'),
        ["name: is 'Small Venue'; must be lower-case words joined by hyphens"],
    ),
    "empty title": (
        broken('title = "A small venue"', 'title = ""'),
        ["title: is empty; give text"],
    ),
    "table that is a number": (
        GOOD.replace("[insurance]\n", "[insurence]\n").replace(
            'name = "small"', 'name = "small"\ninsurance = 3'
        ),
        [
            "insurance: is 3; must be a table",
            "insurence: is not a key here; did you mean 'insurance'?",
        ],
    ),
    "table without a source": (
        broken('[gates]\nsource = "page"', "[gates]"),
        ["gates.source: is missing; give the id of an entry in [sources], or a list of ids"],
    ),
    "source that is not declared": (
        broken('[gates]\nsource = "page"', '[gates]\nsource = "pages"'),
        ["gates.source: names 'pages', which [sources] does not declare; did you mean 'page'?"],
    ),
    "source that nobody cites": (
        broken('source = ["page", "choice"]', 'source = "page"'),
        ["sources.choice: is declared but no table cites it; cite it or take it out"],
    ),
    "standing that is none": (
        broken('standing = "inference"', 'standing = "rumour"'),
        ["sources.choice.standing: is 'rumour'; must be 'documented', 'code', 'secondary' or 'inference'"],
    ),
    "inferred key that is not set": (
        broken('inferred = ["weight_initial_ppm"]', 'inferred = ["weight_intial_ppm"]'),
        [
            "collateral.ETH.inferred: names 'weight_intial_ppm', which this table does not set; "
            "name keys that are set"
        ],
    ),
    "inference that is not marked": (
        broken('[gates]\nsource = "page"', '[gates]\nsource = "choice"\nwithdrawal_notional_ppm = 100000'),
        [
            "gates.inferred: leaves out 'withdrawal_notional_ppm', whose only source is inference; add it",
        ],
    ),
    "default class that is not there": (
        broken('default = "BTC"', 'default = "BTCC"'),
        ["margin.default: is 'BTCC', which [margin.classes] does not have; did you mean 'BTC'?"],
    ),
    "class that is not there": (
        GOOD + '\n[orders.classes.BCT]\nsource = "page"\nprice_band_ppm = 20000\n',
        ["orders.classes.BCT: names 'BCT', which [margin.classes] does not have; did you mean 'BTC'?"],
    ),
    "no bracket": (
        broken('kind = "brackets"\n', 'kind = "brackets"\n# ')
        .replace("# brackets = [\n", "brackets = []\n")
        .replace("    { cap_usd = 50000, max_leverage = 100, maintenance_ppm = 5000 },\n", "")
        .replace(
            "    { cap_usd = 250000, max_leverage = 50, maintenance_ppm = 10000, deduction_usd = 250 },\n]\n",
            "",
        ),
        ["margin.classes.BTC.brackets: is empty; give at least one bracket"],
    ),
    "brackets that do not rise": (
        broken("cap_usd = 250000", "cap_usd = 50000"),
        [
            "margin.classes.BTC.brackets.1.cap_usd: is 50000, not above the bracket before; "
            "brackets must rise, so it must exceed 50000"
        ],
    ),
    "leverage and maintenance that go the wrong way": (
        broken(
            "max_leverage = 50, maintenance_ppm = 10000, deduction_usd = 250",
            "max_leverage = 125, maintenance_ppm = 4000",
        ),
        [
            "margin.classes.BTC.brackets.1.max_leverage: is 125, above the bracket before; "
            "leverage may not rise, so at most 100",
            "margin.classes.BTC.brackets.1.maintenance_ppm: is 4000, below the bracket before; "
            "maintenance may not fall, so at least 5000",
        ],
    ),
    "maintenance above initial margin": (
        broken(
            "max_leverage = 100, maintenance_ppm = 5000", "max_leverage = 100, maintenance_ppm = 10001"
        ).replace("maintenance_ppm = 10000, deduction_usd = 250", "maintenance_ppm = 10001"),
        [
            "margin.classes.BTC.brackets.0.maintenance_ppm: is 10001, above the initial margin; "
            "at 100x it may be at most 10000"
        ],
    ),
    "deduction that does not follow": (
        broken("deduction_usd = 250", "deduction_usd = 300"),
        ["margin.classes.BTC.brackets.1.deduction_usd: is 300; the recursion from the rows above gives 250"],
    ),
    "cap left out in the middle": (
        broken("{ cap_usd = 50000, max", "{ max"),
        ["margin.classes.BTC.brackets.0.cap_usd: is missing; only the last bracket may have no cap"],
    ),
    "cap too fine for an exact deduction": (
        broken("cap_usd = 50000,", "cap_usd = 50000.000001,"),
        [
            "margin.classes.BTC.brackets.0.cap_usd: makes a deduction finer than a micro-unit; "
            "use a rounder cap"
        ],
    ),
    "weight for opening above the other": (
        broken("weight_initial_ppm = 900000", "weight_initial_ppm = 960000"),
        [
            "collateral.ETH.weight_initial_ppm: is 960000, above weight_total_ppm 950000; "
            "the weight for opening may not be larger"
        ],
    ),
    "settlement asset as collateral": (
        broken("[collateral.ETH]", "[collateral.USD]"),
        ["collateral.USD: is the settlement asset, which always counts in full; take it out of [collateral]"],
    ),
    "redemption into an unknown asset": (
        broken(
            'price = { kind = "index" }',
            'price = { kind = "redemption", of = "EHT", conversion_ppm = 1000000 }',
        ),
        ["collateral.ETH.price.of: names 'EHT', which [collateral] does not have; did you mean 'ETH'?"],
    ),
    "redemption for nothing": (
        broken('price = { kind = "index" }', 'price = { kind = "redemption", conversion_ppm = 0, of = "" }'),
        ["collateral.ETH.price.conversion_ppm: is 0; give the units one token redeems for, 1000000 for one"],
    ),
    "slice of nothing": (
        broken("first_ppm = 200000", "first_ppm = 0"),
        ["liquidation.first_ppm: is 0, so nothing would ever be sold; make it larger"],
    ),
    "limits in coins on a linear contract": (
        broken(
            'kind = "brackets"\nbrackets = [',
            'kind = "steps"\nbase_coin = 200\nstep_coin = 100\n'
            "initial_ppm = 10000\nmaintenance_ppm = 5000\nunused = [",
        ).replace("unused = [", "brackets = ["),
        [
            "margin.classes.BTC.brackets: does nothing under kind 'steps'; it belongs to 'brackets'",
        ],
    ),
    "backstop that nothing sets off": (
        broken(
            '[backstop]\nsource = "page"\nkind = "none"',
            '[backstop]\nsource = "page"\nkind = "providers"\n'
            "price_split_ppm = 666667\nper_minute_usd = 1\nper_hour_usd = 1\noverflow_to_allocation = true",
        ),
        [
            "backstop.kind: is 'providers', but liquidation.auto_close is 'none'; set that to 'fraction'",
        ],
    ),
    "group of another ranking": (
        broken('policy = "contract-pro-rata"\n', 'policy = "queue"\nscore = "profit-leverage"\ngroup = 10\n'),
        [
            "allocation.group: is 10, which does nothing under score 'profit-leverage'; "
            "set it to 0, or the score to 'opposing-size'"
        ],
    ),
    "group without a queue": (
        broken('price = "bankruptcy"\n', 'price = "bankruptcy"\ngroup = 10\n'),
        ["allocation.group: does nothing under policy 'contract-pro-rata'; it belongs to 'queue'"],
    ),
    "redemption into nobody knows what": (
        broken('price = { kind = "index" }', 'price = { kind = "redemption", conversion_ppm = 1080000 }'),
        ["collateral.ETH.price.of: is missing; kind 'redemption' needs it"],
    ),
    "asset to redeem into that is not redeemed": (
        broken('price = { kind = "index" }', 'price = { kind = "index", of = "ETH" }'),
        ["collateral.ETH.price.of: does nothing under kind 'index'; it belongs to 'redemption' or 'blend'"],
    ),
    "impact size of a class without impact prices": (
        broken(
            "period_seconds = 28800\n",
            'period_seconds = 28800\n\n[funding.classes.BTC]\nsource = "page"\nimpact_notional_usd = 5000\n',
        ),
        ["funding.classes.BTC.impact_notional_usd: does nothing under premium 'mid'; it belongs to 'impact'"],
    ),
    "not TOML": (
        broken("taker_ppm = 500", "taker_ppm = 5 00"),
        [
            "line 15, column 15: is not valid TOML (expected newline or end of document after a statement); "
            "correct it there"
        ],
    ),
    "key given twice": (
        broken("taker_ppm = 500", "taker_ppm = 500\ntaker_ppm = 600"),
        ["line 16, column 16: is not valid TOML (cannot overwrite a value); correct it there"],
    ),
    "overrides in a file": (
        'overridden = ["mark.method"]\n' + GOOD,
        ["overridden: is not a key of a file; write the figures themselves"],
    ),
    "many faults at once": (
        GOOD.replace("taker_ppm = 500", "taker_ppm = 0.5")
        .replace('method = "median"', 'method = "medium"')
        .replace("cooldown_seconds = 30", "cooldown = 30"),
        [
            "fees.taker_ppm: is 0.5; must be a whole number of parts per million from -1000000 to 1000000",
            "index.method: is 'medium', must be 'median', 'weighted-median', 'mean' or 'weighted-mean'; "
            "did you mean 'median'?",
            "liquidation.cooldown: is not a key here; did you mean 'cooldown_seconds'?",
            "liquidation.cooldown_seconds: is missing; pacing 'staged' needs it",
        ],
    ),
}


def test_the_file_that_is_broken_below_is_good(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(GOOD)
    assert check_rulebook(path) == []
    assert load_rulebook(path).margin_class("BTC").maintenance_deductions() == [0, 250_000_000]


@pytest.mark.parametrize("case", CASES)
def test_bad_rulebook(case: str, tmp_path: Path) -> None:
    text, messages = CASES[case]
    path = tmp_path / "small.toml"
    path.write_text(text)
    assert check_rulebook(path) == [f"{path}: {message}" for message in messages]
    with pytest.raises(RulebookError) as caught:
        load_rulebook(path)
    assert str(caught.value).splitlines() == [f"{path}: {message}" for message in messages]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert check_rulebook(path) == [f"{path}: there is no such file; give the path of a TOML file"]


def test_a_folder(tmp_path: Path) -> None:
    assert check_rulebook(tmp_path) == [f"{tmp_path}: is a folder; give the path of a TOML file"]


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('title = "Börse"'.encode("latin-1"))
    assert check_rulebook(path) == [f"{path}: byte 10 is not UTF-8; save the file as UTF-8 text"]


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text("name = ")
    message = "end of document: is not valid TOML (invalid value); correct it there"
    assert check_rulebook(path) == [f"{path}: {message}"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("binance-2052", "binance-2052: is no preset; did you mean 'binance-2025'? A path ends in .toml"),
        (
            "nasdaq",
            "nasdaq: is no preset; known: binance-2025, bitmex-2020, dydx-v4, ftx-2022, hyperliquid-2025. "
            "A path ends in .toml",
        ),
    ],
)
def test_a_preset_that_does_not_exist(name: str, message: str) -> None:
    assert check_rulebook(name) == [message]
    with pytest.raises(RulebookError) as caught:
        load_rulebook(name)
    assert str(caught.value) == message

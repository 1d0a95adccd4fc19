"""The crowd: sizes and leverage as published, every coin closed, the tail unmoved by the number of rows.

Figures: the crowd's description, sections 1.2 (open interest), 1.3 (sizes), 1.4 (check run of the generator)
and 1.5 (open interest by leverage).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.crowd import holdings, positions
from undertow.crowd.population import Population, generate_population
from undertow.crowd.quantiles import (
    SizeLaw,
    normal_quantile,
    size_above,
    stratified,
    tail_share,
    thinned_ranks,
)
from undertow.crowd.rules import Holder, Listing, MarginProfile, PopulationRules
from undertow.streams import stream_key

PRICES_USD = np.array([116_919.0, 4_011.0, 207.0, 2.695, 0.2339, 0.7736])
TICKS_USD = np.array([0.1, 0.01, 0.01, 0.0001, 0.00001, 0.0001])
LOTS_USD = np.array([0.001, 0.001, 0.01, 0.1, 1.0, 1.0])
OPEN_INTEREST_USD = np.array([15.7e9, 9.5e9, 2.6e9, 1.3e9, 1.2e9, 0.47e9])
LAW = SizeLaw(median=250.0, spread=2.5, tail_exponent=0.8, tail_start=250e3, tail_cap=300e6, least=5.0)
RULES = PopulationRules()


def _listing(open_interest_usd: NDArray[np.float64] = OPEN_INTEREST_USD, **brackets: object) -> Listing:
    """Six perpetuals, then BTC and a synthetic dollar as collateral."""
    ticks = np.rint(PRICES_USD / TICKS_USD).astype(np.int64)
    units = np.rint(TICKS_USD * LOTS_USD * 1e6).astype(np.int64)
    return Listing(
        prices_ticks=np.append(ticks, [ticks[0], 10_000]),
        unit_micros=np.append(units, [units[0], 100]),
        open_interest_micros=np.append(np.rint(open_interest_usd * 1e6), [0, 0]).astype(np.int64),
        collateral_share=np.array([0.0] * 6 + [0.13, 0.06]),
        **brackets,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def crowd() -> Population:
    return generate_population(_listing(), 20_000, 1, RULES)


def _values(crowd: Population, listing: Listing | None = None) -> NDArray[np.int64]:
    """Signed value of every position in micro-dollars."""
    listing = listing or _listing()
    instrument = crowd.position_instrument
    return crowd.position_lots * listing.prices_ticks[instrument] * listing.unit_micros[instrument]


def _gross(crowd: Population) -> NDArray[np.int64]:
    return holdings.sum_rows(crowd.position_offsets, np.abs(_values(crowd)))


def _weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.int64], share: float) -> float:
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), share * weights.sum())])


def test_normal_quantile_equals_the_standard_library() -> None:
    shares = np.array([1e-12, 1e-7, 0.001, 0.02, 0.0749, 0.0751, 0.3, 0.5, 0.7, 0.97, 0.99999])
    expected = [NormalDist().inv_cdf(share) for share in shares]
    assert normal_quantile(shares) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_block_holds_one_draw_of_each_stratum() -> None:
    draws = stratified(5, "x", 32 * 40 + 7)
    whole = np.sort(draws[: 32 * 40].reshape(40, 32), axis=1)
    assert np.floor(whole * 32).astype(int).tolist() == [list(range(32))] * 40
    assert len(draws) == 32 * 40 + 7
    assert not np.array_equal(draws[:32], draws[32:64])


def test_sizes_follow_lognormal_body_and_pareto_tail() -> None:
    share = tail_share(LAW)
    assert share * 1_660_000 == pytest.approx(4_770, rel=0.01)  # section 1.4: 4,770 tail accounts
    assert size_above(LAW, np.array([0.5]))[0] == pytest.approx(250.0)
    assert size_above(LAW, np.array([0.25]))[0] == pytest.approx(250.0 * np.exp(2.5 * 0.67449), rel=1e-4)
    assert size_above(LAW, np.array([share]))[0] == pytest.approx(250e3, rel=1e-6)
    twice = size_above(LAW, np.array([share * 0.5]))[0]  # far below the cap the exponent rules: 2^(1/0.8)
    assert twice == pytest.approx(250e3 * 2 ** (1 / 0.8), rel=0.01)
    assert size_above(LAW, np.array([1e-12]))[0] == pytest.approx(300e6, rel=1e-3)
    falling = size_above(LAW, np.linspace(1e-6, 0.999, 5_000))
    assert (np.diff(falling) <= 0.0).all()


def test_the_check_run_of_the_description() -> None:
    """Section 1.4: equity 20.7 B, top 1 % hold 80 %, with the whole crowd of 1.66 million."""
    whole = thinned_ranks(LAW, 1_660_000, 1_660_000)
    equity = whole.member_equity
    assert (whole.members == 1).all()
    assert equity.sum() / 1e9 == pytest.approx(20.7, rel=0.02)
    assert equity[:16_600].sum() / equity.sum() == pytest.approx(0.80, abs=0.02)
    leverage = 5.0 * (equity / 500.0) ** -0.08 * np.exp(0.7 * normal_quantile(stratified(1, "l", 1_660_000)))
    quantiles = np.quantile(leverage, [0.1, 0.5, 0.9])
    assert quantiles == pytest.approx([2.1, 5.2, 13.2], rel=0.03)  # section 1.4: 2.1 / 5.2 / 13.2
    assert (equity * leverage).sum() / 1e9 == pytest.approx(67.5, rel=0.05)  # section 1.4: gross 67.5 B


@pytest.mark.parametrize("count", [1, 10, 1_000, 20_000, 100_000])
def test_fewer_rows_stand_for_the_same_people_and_money(count: int) -> None:
    thin = thinned_ranks(LAW, 1_660_000, count)
    assert len(thin.members) == count
    assert thin.members.sum() == 1_660_000
    assert thin.members.min() >= 1
    if count >= 10_000:
        whole = thinned_ranks(LAW, 1_660_000, 1_660_000)
        assert np.array_equal(thin.member_equity[: thin.single], whole.member_equity[: thin.single])
        held, full = (thin.members * thin.member_equity).sum(), whole.member_equity.sum()
        assert held == pytest.approx(full, rel=0.001)
        assert _weighted_quantile(thin.member_equity, thin.members, 0.5) == pytest.approx(250.0, rel=0.01)


@pytest.mark.parametrize("accounts", [1, 50, 2_000, 20_000])
def test_every_coin_closes_exactly_at_its_open_interest(accounts: int) -> None:
    crowd = generate_population(_listing(), accounts, 7, RULES)
    net, long = np.zeros(8, np.int64), np.zeros(8, np.int64)
    np.add.at(net, crowd.position_instrument, crowd.position_lots)
    np.add.at(long, crowd.position_instrument, np.maximum(_values(crowd), 0))
    assert net.tolist() == [0] * 8
    assert long[:6] / 1e6 == pytest.approx(OPEN_INTEREST_USD, rel=1e-6)
    assert len(crowd.equity_micros) == accounts + RULES.basis_books + RULES.hedge_books


def test_equity_is_cash_and_collateral_and_profit_to_the_micro_dollar(crowd: Population) -> None:
    listing = _listing()
    instrument = crowd.position_instrument
    moved = listing.prices_ticks[instrument] - crowd.position_entry_ticks
    profit = holdings.sum_rows(
        crowd.position_offsets, crowd.position_lots * moved * listing.unit_micros[instrument]
    )
    asset = crowd.collateral_instrument
    worth = crowd.collateral_lots * listing.prices_ticks[asset] * listing.unit_micros[asset]
    collateral = holdings.sum_rows(crowd.collateral_offsets, worth)
    assert np.array_equal(crowd.cash_micros + collateral + profit, crowd.equity_micros)
    assert crowd.cash_micros.min() >= 0
    assert np.count_nonzero(profit) > 19_000
    shared = (crowd.profile == MarginProfile.MULTI) | (crowd.profile == MarginProfile.PORTFOLIO)
    assert not collateral[~shared].any()
    traders = shared & (crowd.kind == Holder.TRADER)
    assert collateral[traders].sum() / crowd.equity_micros[traders].sum() == pytest.approx(0.19, rel=0.1)


def test_collateral_in_dollars_is_met_within_a_lot_an_account() -> None:
    """Section 2.3: 0.6 B of one asset, whose share of equity alone gives less; the other stays as it was."""
    given = np.zeros(8, np.int64)
    given[7] = round(0.6e15)
    by_share = generate_population(_listing(), 5_000, 1, RULES)
    crowd = generate_population(_listing()._replace(collateral_micros=given), 5_000, 1, RULES)
    held = []
    for each in (by_share, crowd):
        asset = each.collateral_instrument
        worth = each.collateral_lots * _listing().prices_ticks[asset] * _listing().unit_micros[asset]
        held.append([worth[asset == number].sum() / 1e15 for number in (6, 7)])
    assert held[0][1] < 0.5 and held[1][1] == pytest.approx(0.6, rel=1e-3)
    assert held[1][0] == pytest.approx(held[0][0], rel=0.1)
    assert crowd.cash_micros.min() >= 0
    with pytest.raises(ValueError, match="in all; the accounts that may hold assets have room for"):
        generate_population(_listing()._replace(collateral_micros=given * 100), 5_000, 1, RULES)


def test_a_small_account_holds_one_asset_and_a_large_one_several(crowd: Population) -> None:
    counts = np.diff(crowd.collateral_offsets)
    assert counts[crowd.tail_accounts :].max() == 1
    assert np.median(counts[: crowd.tail_accounts][counts[: crowd.tail_accounts] > 0]) == 2


def test_leverage_and_open_interest_by_leverage(crowd: Population) -> None:
    """Section 1.4: L by count 2.1/5.2/13.2; section 1.5: defaults give 29/44/27 % in 0-3x, 3-7x, above 7x."""
    traders = crowd.kind == Holder.TRADER
    leverage, members, gross = crowd.leverage[traders], crowd.members[traders], _gross(crowd)[traders]
    quantiles = [_weighted_quantile(leverage, members, share) for share in (0.1, 0.5, 0.9)]
    assert quantiles == pytest.approx([2.1, 5.2, 13.2], rel=0.08)
    shares = [
        gross[(leverage >= low) & (leverage < high)].sum() / gross.sum()
        for low, high in ((0, 3), (3, 7), (7, 99))
    ]
    assert shares == pytest.approx([0.29, 0.44, 0.27], abs=0.05)
    assert leverage.max() <= 75.0


def test_the_fitted_median_meets_the_open_interest_of_the_venue() -> None:
    """Section 1.4: 41 B of open interest a side, a median near 250 dollars, 4,770 accounts in the tail."""
    scaled = OPEN_INTEREST_USD * 41e9 / OPEN_INTEREST_USD.sum()
    crowd = generate_population(_listing(scaled), 20_000, 1, RULES)
    assert crowd.median_equity_usd == pytest.approx(250.0, rel=0.1)
    assert crowd.tail_accounts == pytest.approx(4_770, rel=0.1)
    traders = crowd.kind == Holder.TRADER
    assert crowd.equity_micros[traders].sum() / 1e15 == pytest.approx(20.7, rel=0.1)
    assert _gross(crowd)[traders].sum() / 1e15 == pytest.approx(67.5, rel=0.02)


def test_sides_coins_and_profiles(crowd: Population) -> None:
    traders = crowd.kind == Holder.TRADER
    people = crowd.members[traders]
    net = holdings.sum_rows(crowd.position_offsets, _values(crowd))[traders]
    assert people[net > 0].sum() / people.sum() == pytest.approx(0.68, abs=0.02)
    gross = _gross(crowd)[traders]
    assert net.sum() / gross.sum() == pytest.approx(
        0.25 / 1.65, rel=0.01
    )  # long 0.95, short 0.70 of interest
    profile = crowd.profile[traders]
    shares = np.array([people[profile == code].sum() for code in MarginProfile]) / people.sum()
    assert shares == pytest.approx([0.52, 0.12, 0.001, 0.36], abs=0.01)
    assert gross[profile == MarginProfile.PORTFOLIO].sum() / gross.sum() == pytest.approx(0.30, abs=0.03)
    counts = np.diff(crowd.position_offsets)[traders]
    assert counts[profile == MarginProfile.ISOLATED].max() == 1
    body = np.arange(len(counts)) >= crowd.tail_accounts
    cross = body & (profile == MarginProfile.CROSS)
    assert counts[cross].mean() == pytest.approx(2.1, abs=0.1)  # 2.2, less what six coins cut off
    several = np.flatnonzero(cross & (counts > 1))
    starts = crowd.position_offsets[several]
    same = [
        len(set(np.sign(crowd.position_lots[start : start + count]))) == 1
        for start, count in zip(starts, counts[several], strict=True)
    ]
    assert np.mean(same) == pytest.approx(0.8 + 0.2 * 0.47, abs=0.03)  # a fifth draw each coin's side


def test_books_are_large_named_and_well_capitalised(crowd: Population) -> None:
    basis, hedges = crowd.kind == Holder.BASIS_BOOK, crowd.kind == Holder.HEDGE_BOOK
    assert (basis.sum(), hedges.sum()) == (RULES.basis_books, RULES.hedge_books)
    assert crowd.leverage[basis | hedges] == pytest.approx(2.0, rel=1e-3)
    values = holdings.sum_rows(crowd.position_offsets, _values(crowd))
    assert -values[basis].sum() / 1e6 == pytest.approx(0.25 * OPEN_INTEREST_USD.sum(), rel=0.01)
    assert _gross(crowd)[hedges].sum() / 1e6 == pytest.approx(0.10 * OPEN_INTEREST_USD.sum(), rel=0.02)


def test_the_largest_accounts_do_not_move_with_the_number_of_accounts() -> None:
    crowds = [generate_population(_listing(), accounts, 3, RULES) for accounts in (10_000, 40_000)]
    small, large = (_gross(crowd)[:1_000] for crowd in crowds)
    assert np.array_equal(crowds[0].equity_micros[:1_000], crowds[1].equity_micros[:1_000])
    assert small.sum() == pytest.approx(large.sum(), rel=0.03)
    assert np.median(np.abs(small / large - 1.0)) < 0.05


def test_same_seed_same_crowd_other_seed_other_crowd(crowd: Population) -> None:
    again = generate_population(_listing(), 20_000, 1, RULES)
    for name, first, second in zip(Population._fields, crowd, again, strict=True):
        assert np.array_equal(first, second), name
    other = generate_population(_listing(), 20_000, 2, RULES)
    traders = crowd.kind == Holder.TRADER
    assert np.array_equal(other.equity_micros[traders], crowd.equity_micros[traders])
    assert not np.array_equal(other.cash_micros, crowd.cash_micros)
    # Sizes are quantiles, not draws; who is who differs, not how much: the long tail stays within 3 per cent.
    longs = [
        np.maximum(_values(one)[: one.position_offsets[one.tail_accounts]], 0).sum() for one in (crowd, other)
    ]
    assert longs[0] == pytest.approx(longs[1], rel=0.03)


def test_leverage_brackets_bind() -> None:
    """75x up to 50 thousand dollars, 20x to a million, 5x to 20 million, 2x beyond, in every coin."""
    ends = np.tile(np.array([50e3, 1e6, 20e6, 1e12]) * 1e6, 6)
    offsets = np.array([0, 4, 8, 12, 16, 20, 24, 24, 24])
    listing = _listing(
        bracket_offsets=offsets,
        bracket_ends_micros=ends,
        bracket_leverages=np.tile([75.0, 20.0, 5.0, 2.0], 6),
    )
    crowd = generate_population(listing, 20_000, 1, RULES)
    account = np.repeat(np.arange(len(crowd.equity_micros)), np.diff(crowd.position_offsets))
    traders = crowd.kind[account] == Holder.TRADER
    value, leverage = np.abs(_values(crowd))[traders] / 1e6, crowd.leverage[account][traders]
    slack = 1.0 + 1e-3 + 120.0 / value  # rounding adds at most a lot, 117 dollars for the largest
    for end, allowed in ((50e3, 20.0), (1e6, 5.0), (20e6, 2.0)):
        beyond = value > end * slack
        assert beyond.any()
        assert (leverage[beyond] <= allowed * slack[beyond]).all()


def test_loops_equal_their_plain_python() -> None:
    accounts, coins = 300, 6
    share = OPEN_INTEREST_USD / OPEN_INTEREST_USD.sum()
    choice = positions.CoinChoice(
        weights=share,
        cumulative=np.append(np.cumsum(share)[:-1], 1.0),
        tilt=np.sqrt(share),
        largest=np.full(coins, 4e9),
        bracket_offsets=np.array([0, 2, 2, 2, 2, 2, 2]),
        bracket_ends=np.array([1e9, 1e10]),
        bracket_leverages=np.array([50.0, 10.0]),
    )
    wanted = 1 + np.arange(accounts, dtype=np.int64) % 4
    space = np.where(np.arange(accounts) < 40, coins, wanted)
    offsets = np.concatenate([[0], np.cumsum(space)]).astype(np.int64)
    sizes = positions.AccountSizes(
        np.geomspace(3e10, 1e7, accounts), np.linspace(2.0, 70.0, accounts), wanted, offsets, 40
    )
    results = []
    for choose, assign in (
        (positions.choose_coins, positions.assign_sides),
        (positions.choose_coins.py_func, positions.assign_sides.py_func),  # type: ignore[attr-defined]
    ):
        held, notional = np.zeros(offsets[-1], np.int16), np.zeros(offsets[-1])
        counts = np.zeros(accounts, np.int64)
        scratch = positions.Scratch(np.zeros(coins, np.int64), np.zeros(coins), np.zeros(coins))
        choose(stream_key(1, "choice"), choice, sizes, scratch, held, notional, counts)
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], space) < np.repeat(counts, space)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        held, notional = held[inside], notional[inside]
        rules = positions.SideRules(40, 0.68, 0.8, np.full(coins, 0.55), np.full(coins, 1e11))
        draws = stratified(1, "sides", accounts)
        assign(stream_key(1, "sides"), rules, starts, held, notional, draws, np.zeros((2, coins)))
        results.append((held, notional, counts))
    for compiled, plain in zip(*results, strict=True):
        assert np.array_equal(compiled, plain)
    held, notional, counts = results[0]
    assert counts.min() >= 1
    assert np.abs(notional).max() <= 4e9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"isolated_accounts": 0.95}, r"isolated_accounts \+ multi_accounts is 1.0[67].*; 0 to 1 is needed"),
        ({"basis_share": -0.1}, r"basis_share is -0.1; 0 to 1 is needed"),
        ({"coins_per_account": 0.5}, r"coins_per_account is 0.5; 1 or more is needed"),
        (
            {"median_equity_usd": 1e6},
            r"least_equity, median_equity, tail_start and tail_cap rise in this order",
        ),
        ({"hedge_books": 1}, r"at least 1 basis book and 2 hedge books close the coins"),
    ],
)
def test_rules_that_make_no_crowd_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PopulationRules(**change)  # type: ignore[arg-type]


def test_a_listing_that_makes_no_crowd_is_refused() -> None:
    with pytest.raises(ValueError, match="0 accounts; at least 1 is needed"):
        generate_population(_listing(), 0, 1, RULES)
    with pytest.raises(ValueError, match="0 perpetuals have open interest; 1 to 80 are needed"):
        generate_population(_listing(np.zeros(6)), 10, 1, RULES)

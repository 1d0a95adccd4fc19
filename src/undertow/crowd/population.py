"""Who holds what when a case starts: accounts, positions, collateral and cash, drawn as described.

Holds the rules (what the crowd's description states), the generator and its result. Holds no behaviour, and
touches no venue: the result is arrays. Sizes, leverage and sides follow the description's section on the
generator: equity by quantile midpoints (quantiles.py), leverage = L0 (equity / 500)^-b exp(s z), one side
mostly, coins by open interest (positions.py).

Every coin closes exactly: longs equal shorts equal the open interest given. Traders' positions are scaled
per coin and side; hedge books of makers (both sides) take what is missing to the open interest, basis books
(short, hedged in spot) what is missing to zero.

Units: micro-dollars, ticks, lots; `members` people per account (1 in a full-size crowd). Float arithmetic
decides how a crowd is drawn, integers what it holds: cash + collateral + unrealised profit equals equity to
the micro-dollar.
Invariant: same listing, rules, accounts and seed, same arrays; the tail does not move with the number of
accounts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd import holdings
from undertow.crowd.positions import AccountSizes, CoinChoice, Scratch, SideRules, assign_sides, choose_coins
from undertow.crowd.quantiles import SizeLaw, Thinned, size_above, stratified, thinned_ranks
from undertow.crowd.rules import (
    Floats,
    Holder,
    Integers,
    Listing,
    MarginProfile,
    PopulationRules,
    SizesUsd,
)
from undertow.exact import floats
from undertow.exact.normal import normal_quantile
from undertow.units import MICROS

LARGEST_NUMBER_OF_COINS = 80
_ROUNDS = 4


class Population(NamedTuple):
    """The crowd, largest traders first, books last. CSR: account i has rows offsets[i] to offsets[i + 1]."""

    equity_micros: Integers
    leverage: Floats  # gross notional over equity, as held
    profile: NDArray[np.int8]  # MarginProfile
    kind: NDArray[np.int8]  # Holder
    members: Integers
    cash_micros: Integers
    position_offsets: Integers
    position_instrument: NDArray[np.int16]
    position_lots: Integers  # signed
    position_entry_ticks: Integers
    collateral_offsets: Integers
    collateral_instrument: NDArray[np.int16]
    collateral_lots: Integers
    median_equity_usd: float  # the fitted one
    tail_accounts: (
        int  # the first so many stand for one person each and never move with the number of accounts
    )


class Traders(NamedTuple):
    """Accounts before they hold anything."""

    crowd: Thinned
    equity_micros: Floats
    leverage: Floats
    profile: NDArray[np.int8]
    median_usd: float


def generate_population(listing: Listing, accounts: int, seed: int, rules: PopulationRules) -> Population:
    """Draw `accounts` trading accounts and the books that close every coin.

    ValueError when there is no account, no perpetual, or more than 80 of them.
    """
    perpetuals = np.flatnonzero(listing.open_interest_micros > 0)
    if accounts < 1:
        raise ValueError(f"{accounts} accounts; at least 1 is needed")
    if not 1 <= len(perpetuals) <= LARGEST_NUMBER_OF_COINS:
        raise ValueError(f"{len(perpetuals)} perpetuals have open interest; 1 to 80 are needed")
    lot_micros = listing.prices_ticks[perpetuals] * listing.unit_micros[perpetuals]
    target = listing.open_interest_micros[perpetuals].astype(np.float64)
    traders = _draw_traders(float(target.sum()), accounts, seed, rules)
    drawn = _draw_positions(listing, perpetuals, target, traders, seed, rules)
    drawn = drawn._replace(notional=_scaled_to_targets(drawn, target, rules))
    limit = traders.equity_micros * rules.leverage_limits[1]
    drawn = drawn._replace(notional=_within_limits(listing, perpetuals, drawn, traders.equity_micros, limit))
    positions = holdings.in_lots(drawn, lot_micros, limit, seed)
    books = holdings.closing_books(positions, lot_micros, target, rules)
    return _assembled(listing, perpetuals, traders, positions, books, seed, rules)


def _draw_traders(open_interest_micros: float, accounts: int, seed: int, rules: PopulationRules) -> Traders:
    """Equity, leverage and margin profile of every trading account."""
    sizes = rules.sizes_on(open_interest_micros / MICROS)
    reference = max(sizes.people, accounts)
    wanted_micros = open_interest_micros * _trader_sides(rules).sum()
    law = _size_law(rules, sizes, wanted_micros / MICROS, reference)
    crowd = thinned_ranks(law, reference, accounts)
    equity = crowd.member_equity * crowd.members * MICROS
    shock = normal_quantile(stratified(seed, "leverage", accounts))
    leverage = _leverage(rules, crowd.member_equity, floats.exp(rules.leverage_spread * shock))
    if rules.fit_median:
        correction = np.clip(wanted_micros / float((equity * leverage).sum()), 0.8, 1.25)
        leverage = np.clip(leverage * correction, *rules.leverage_limits)
    profile = _profiles(rules, crowd.single, equity * leverage, seed)
    return Traders(crowd, equity, leverage, profile, law.median)


def _trader_sides(rules: PopulationRules) -> Floats:
    """Traders' long and short notional over open interest: what makers' hedges and basis books leave."""
    long = 1.0 - rules.hedge_share
    return np.array([long, long - rules.basis_share])


def _leverage(rules: PopulationRules, member_equity_usd: Floats, factor: Floats) -> Floats:
    centre = rules.leverage_at_500_usd * floats.power(member_equity_usd / 500.0, -rules.leverage_slope)
    return np.clip(centre * factor, *rules.leverage_limits)


def _size_law(rules: PopulationRules, sizes: SizesUsd, wanted_usd: float, reference: int) -> SizeLaw:
    """The size law whose median makes the expected notional of all accounts `wanted_usd` (bisection)."""
    law = SizeLaw(
        sizes.median,
        rules.equity_spread,
        rules.tail_exponent,
        sizes.tail_start,
        sizes.tail_cap,
        sizes.least,
    )
    if not rules.fit_median:
        return law
    grid = thinned_ranks(law, reference, min(reference, 2_000))
    factors = floats.exp(rules.leverage_spread * normal_quantile((np.arange(32) + 0.5) / 32))
    low, high = floats.log(law.median / 50.0), floats.log(min(law.median * 50.0, law.tail_start * 0.99))
    for _ in range(40):
        middle = 0.5 * (low + high)
        law = law._replace(median=float(floats.exp(middle)), least=min(law.least, float(floats.exp(middle))))
        equity = size_above(law, grid.upper_share)
        mean_leverage = _leverage(rules, equity[:, None], factors[None, :]).mean(axis=1)
        if float((grid.members * equity * mean_leverage).sum()) < wanted_usd:
            low = middle
        else:
            high = middle
    return law


def _profiles(rules: PopulationRules, single: int, gross: Floats, seed: int) -> NDArray[np.int8]:
    """Margin profiles: portfolio margin in the tail up to its share of notional, the others by number."""
    draws = stratified(seed, "margin profile", len(gross))
    tail = np.arange(len(gross)) < single
    tail_gross = float(gross[tail].sum())
    portfolio = min(1.0, rules.portfolio_notional * float(gross.sum()) / tail_gross) if tail_gross else 0.0
    multi_of_shared = rules.multi_accounts / max(1.0 - rules.isolated_accounts, 1e-9)
    in_tail = np.where(
        draws < portfolio,
        MarginProfile.PORTFOLIO,
        np.where(
            draws < portfolio + (1.0 - portfolio) * multi_of_shared, MarginProfile.MULTI, MarginProfile.CROSS
        ),
    )
    in_body = np.where(
        draws < rules.isolated_accounts,
        MarginProfile.ISOLATED,
        np.where(
            draws < rules.isolated_accounts + rules.multi_accounts, MarginProfile.MULTI, MarginProfile.CROSS
        ),
    )
    return np.where(tail, in_tail, in_body).astype(np.int8)


def _draw_positions(
    listing: Listing,
    perpetuals: Integers,
    target: Floats,
    traders: Traders,
    seed: int,
    rules: PopulationRules,
) -> holdings.Drawn:
    """Coins, notional and side of every position; the chance of a coin is adjusted until totals fit."""
    accounts, coins = len(traders.leverage), len(perpetuals)
    uniform = streams.uniform(seed, "number of coins", 0, np.arange(accounts, dtype=np.int64))
    more = rules.coins_per_account - 1.0
    extra = np.zeros(accounts)
    if more > 0.0:
        extra = np.floor(floats.log1p(-uniform) / floats.log(more / (1.0 + more)))
    wanted = np.where(traders.profile == MarginProfile.ISOLATED, 1, 1 + np.minimum(extra, 7)).astype(np.int64)
    wanted = np.minimum(wanted, coins)
    tail = np.arange(accounts) < traders.crowd.single
    space = np.where(tail, coins, wanted)
    offsets = np.concatenate([[0], np.cumsum(space)]).astype(np.int64)
    gross = traders.equity_micros * traders.leverage
    sizes = AccountSizes(gross, traders.leverage, wanted, offsets, traders.crowd.single)
    held = np.empty(offsets[-1], np.int16)
    notional = np.zeros(offsets[-1], np.float64)
    counts = np.zeros(accounts, np.int64)
    key = streams.stream_key(seed, "choice of coins")
    scratch = Scratch(np.zeros(coins, np.int64), np.zeros(coins), np.zeros(coins))
    share = target / target.sum()
    weights = share.copy()
    for _ in range(_ROUNDS):
        choice = _coin_choice(listing, perpetuals, target, weights / weights.sum(), accounts, rules)
        choose_coins(key, choice, sizes, scratch, held, notional, counts)
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], space) < np.repeat(counts, space)
        totals = np.bincount(held[inside], notional[inside], coins)
        weights *= floats.power(np.clip(share * totals.sum() / np.maximum(totals, 1.0), 0.2, 5.0), 0.8)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    drawn = holdings.Drawn(starts, held[inside], notional[inside])
    _give_sides(drawn, traders.crowd, coins, seed, rules)
    return drawn


def _coin_choice(
    listing: Listing,
    perpetuals: Integers,
    target: Floats,
    weights: Floats,
    accounts: int,
    rules: PopulationRules,
) -> CoinChoice:
    cumulative = np.cumsum(weights)
    cumulative[-1] = 1.0
    brackets = [np.zeros(0, np.int64)] * len(perpetuals)
    if listing.bracket_offsets is not None:
        starts = listing.bracket_offsets
        brackets = [np.arange(starts[perpetual], starts[perpetual + 1]) for perpetual in perpetuals]
    rows = np.concatenate(brackets).astype(np.int64)
    ends, leverages = listing.bracket_ends_micros, listing.bracket_leverages
    # A small crowd has no account below three per cent of a coin: let twenty accounts fill one.
    largest = target * max(rules.largest_share, min(20.0 / accounts, 1.0))
    return CoinChoice(
        weights,
        cumulative,
        np.sqrt(target / target.sum()),
        largest,
        np.concatenate([[0], np.cumsum([len(bracket) for bracket in brackets])]).astype(np.int64),
        np.zeros(0) if ends is None else ends[rows],
        np.zeros(0) if leverages is None else leverages[rows],
    )


def _give_sides(drawn: holdings.Drawn, crowd: Thinned, coins: int, seed: int, rules: PopulationRules) -> None:
    """Sign the notional: the body by number of accounts, the tail so that each coin's long share is met."""
    tail_rows = int(drawn.offsets[crowd.single])
    totals = np.bincount(drawn.coins, drawn.notional, coins)
    tail_totals = np.bincount(drawn.coins[:tail_rows], drawn.notional[:tail_rows], coins)
    sides = _trader_sides(rules)
    wanted_long = totals * sides[0] / sides.sum() - rules.long_accounts * (totals - tail_totals)
    side_rules = SideRules(
        crowd.single,
        rules.long_accounts,
        rules.one_sided,
        np.clip(wanted_long / np.maximum(tail_totals, 1.0), 0.0, 1.0),
        np.maximum(tail_totals, 1.0),
    )
    draws = stratified(seed, "side", len(drawn.offsets) - 1)
    key = streams.stream_key(seed, "side of a position")
    assign_sides(key, side_rules, drawn.offsets, drawn.coins, drawn.notional, draws, np.zeros((2, coins)))


def _scaled_to_targets(drawn: holdings.Drawn, target: Floats, rules: PopulationRules) -> Floats:
    """Notional scaled per coin and side to traders' part of open interest, by at most a factor of two."""
    coins = len(target)
    scaled = drawn.notional.copy()
    for side, part in zip((1.0, -1.0), _trader_sides(rules), strict=True):
        on_side = drawn.notional * side > 0.0
        totals = np.bincount(drawn.coins[on_side], np.abs(drawn.notional[on_side]), coins)
        factor = np.clip(target * part / np.maximum(totals, 1.0), 0.5, 2.0)
        scaled[on_side] *= factor[drawn.coins[on_side]]
    return scaled


def _within_limits(
    listing: Listing, perpetuals: Integers, drawn: holdings.Drawn, equity_micros: Floats, limit_micros: Floats
) -> Floats:
    """Notional cut to the highest leverage and to the brackets, which scaling may have passed."""
    accounts = holdings.accounts_of(drawn.offsets)
    gross = np.bincount(accounts, np.abs(drawn.notional), len(equity_micros))
    within = drawn.notional * np.minimum(1.0, limit_micros / np.maximum(gross, 1.0))[accounts]
    starts, ends, leverages = listing.bracket_offsets, listing.bracket_ends_micros, listing.bracket_leverages
    if starts is None or ends is None or leverages is None:
        return within
    leverage = (gross / equity_micros)[accounts]
    for coin, perpetual in enumerate(perpetuals):
        rows = np.flatnonzero(drawn.coins == coin)
        own = slice(int(starts[perpetual]), int(starts[perpetual + 1]))
        if own.stop > own.start:
            allowed = np.searchsorted(-leverages[own], -leverage[rows], side="right")
            cap = np.concatenate([[0.0], ends[own]])[allowed]
            within[rows] = np.clip(within[rows], -cap, cap)
    return within


def _assembled(
    listing: Listing,
    perpetuals: Integers,
    traders: Traders,
    positions: holdings.Held,
    books: holdings.Books,
    seed: int,
    rules: PopulationRules,
) -> Population:
    """Put traders and books together, with entry prices, collateral and the cash that makes equity exact."""
    equity = np.concatenate([np.rint(traders.equity_micros).astype(np.int64), books.equity_micros])
    profile = np.concatenate([traders.profile, np.full(len(books.kind), MarginProfile.PORTFOLIO, np.int8)])
    kind = np.concatenate([np.full(len(traders.profile), Holder.TRADER, np.int8), books.kind])
    collateral = holdings.collateral(listing, equity, profile, kind, traders.crowd.single, seed)
    held = holdings.joined(positions, books.held)
    instrument = perpetuals[held.coins]
    prices, units = listing.prices_ticks[instrument], listing.unit_micros[instrument]
    free = equity - collateral.value_micros
    entry = holdings.entry_ticks(held, prices, units, free, len(positions.lots), seed, rules)
    profit = holdings.sum_rows(held.offsets, held.lots * (prices - entry) * units)
    gross = holdings.sum_rows(held.offsets, np.abs(held.lots) * prices * units)
    return Population(
        equity_micros=equity,
        leverage=gross / equity,
        profile=profile,
        kind=kind,
        members=np.concatenate([traders.crowd.members, np.ones(len(books.kind), np.int64)]),
        cash_micros=free - profit,
        position_offsets=held.offsets,
        position_instrument=instrument.astype(np.int16),
        position_lots=held.lots,
        position_entry_ticks=entry,
        collateral_offsets=collateral.offsets,
        collateral_instrument=collateral.instrument,
        collateral_lots=collateral.lots,
        median_equity_usd=traders.median_usd,
        tail_accounts=traders.crowd.single,
    )

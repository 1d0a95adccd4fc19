"""What makers, patient bidders, arbitrageurs, traders and noise are made of: every figure they act on.

Holds data only; the behaviours that read it stand in the modules of the same names. Defaults come from the
description of the October 2025 crowd; a description ends with the section it stands in and, where there is
one, the range it may be moved in. No figure belongs to one coin.

Units: USD, seconds, shares of one, volatilities as multiples of a coin's calm volatility; as named.
Invariant: rules that exist are usable.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from undertow.crowd.rules import MOST_PEOPLE, Figures
from undertow.crowd.scale import Basis, amount

Share = Annotated[float, Field(ge=0, le=100)]


class ActorRules(Figures):
    """What all actors share."""

    active: bool = Field(True, description="False: its accounts exist, but it never acts")
    profile: str = Field("single", description="margin profile of its accounts; assets do not count in it")


class MakerRules(ActorRules):
    """Quoting firms as balance sheets: one cross account each, quoting several coins (sections 3.1, 3.2)."""

    firms: int = Field(12, ge=1, le=64, description="quoting firms in the two largest coins (3.2; 10 to 40)")
    firms_large: int = Field(
        6, ge=1, le=64, description="firms in coins above `large_turnover_usd` (3.2; 5 to 12)"
    )
    firms_small: int = Field(4, ge=1, le=64, description="firms in all other coins (3.2; 1 to 6)")
    large_turnover_usd: float | None = amount(
        Basis.ALL, 0.01, ge=0, description="USD a day from which a coin is large (own)"
    )
    concentration: float = Field(
        0.65, gt=0, le=1, description="share of the five largest firms (3.2; 0.5 to 0.8)"
    )
    capital_usd: float | None = amount(
        Basis.CONTRACTS,
        0.012,
        usual=(0.006, 0.03),
        gt=0,
        description="USD on the venue, all firms (3.2: 0.5 to 2.5 billion where 85 billion trade a day)",
    )
    leverage: float = Field(5.0, gt=0, description="largest gross notional over equity (own; 3 to 10)")
    depth_share: float = Field(
        0.0095, gt=0, description="depth within 1 % a side over daily turnover (3.2; 0.005 to 0.015)"
    )
    depth_exponent: float = Field(
        0.7, gt=0, description="cumulative depth grows with distance to this power (3.2)"
    )
    reach: float = Field(0.05, gt=0, lt=1, description="distance of the furthest quote, share of price (3.2)")
    levels: int = Field(6, ge=2, le=20, description="quotes a side (own)")
    level_jitter: float = Field(
        0.12, ge=0, le=1, description="standard deviation of the ln distance of a quote (own)"
    )
    inventory_depths: float = Field(
        4.0, gt=0, description="inventory limit in own 1 % depths (3.2 has 1.5, 0.7 to 4; room decides)"
    )
    size_elasticity: float = Field(
        0.25, ge=0, description="fall of ln depth per ln volatility (3.1, measured; 0.18 to 0.40)"
    )
    knee: float = Field(1.0, gt=0, description="volatility over calm from which depth falls (3.2)")
    volatility_cap: float = Field(40.0, ge=1, description="largest volatility over calm believed (notes 7.7)")
    fee_width: float = Field(1e-4, ge=0, description="least half width, share of price (own)")
    width_sigmas: float = Field(
        0.6, ge=0, description="half width in standard deviations over a quote's life (3.2; 0.3 to 1.5)"
    )
    quote_life_s: float = Field(0.25, gt=0, description="life of a quote, s (3.2; 0.05 to 1)")
    skew_sigmas: float = Field(
        1.0, ge=0, description="shift at full inventory, sigmas per root minute (3.2; 0.5 to 3)"
    )
    outside_weight: float = Field(
        0.7, ge=0, le=1, description="weight of the outside price (3.2; 0.5 to 0.9)"
    )
    outside_weight_spread: float = Field(
        0.15, ge=0, description="how far firms' weights lie from it, at most (notes 4)"
    )
    outside_delay_s: float = Field(1.0, ge=0, description="s; age of the outside price, at most (notes 6)")
    refresh_s: float = Field(5.0, gt=0, description="s; a quote is replaced at least so often (own)")
    requote_widths: float = Field(
        1.0, gt=0, description="a quote moves when off by so many half widths (own)"
    )
    refill_per_s: float = Field(
        0.10, gt=0, description="share of taken depth that returns in a second (notes 7.1; 0.02 to 0.5)"
    )
    trip_loss: float = Field(0.04, gt=0, description="loss over capital in 10 minutes (3.2; 0.02 to 0.08)")
    trip_move: float = Field(0.03, gt=0, description="move in 60 s (3.2; 0.015 to 0.05)")
    trip_gap: float = Field(
        0.02, gt=0, description="venue against outside over 5 s, while it opens (3.2; 0.01 to 0.04)"
    )
    trip_rejections: float = Field(
        0.20, gt=0, description="failed share of own messages over 10 s (3.2; 0.1 to 0.5)"
    )
    trip_age_s: float = Field(
        2.0, gt=0, description="s; age of an acknowledgement, over 10 s (3.2, trip_rej; 1 to 5)"
    )
    trip_spread: float = Field(0.35, ge=0, description="standard deviation of firms' ln limits (notes 7.6)")
    small_coin_factor: float = Field(
        2.0, gt=0, description="limits of move and gap outside BTC and ETH (3.2)"
    )
    cool_off_s: float = Field(240.0, ge=0, description="s without quotes after a trip (3.2; 60 to 600)")
    reentry: float = Field(0.1, gt=0, le=1, description="size at the return (3.2; 0.05 to 0.25)")
    doubling_s: float = Field(
        360.0, gt=0, description="s in which a returning size doubles (3.2; 180 to 900)"
    )
    top_up_per_minute: float = Field(
        0.05, ge=0, description="share of lost capital that returns in a minute of open transfers (4, refill)"
    )


class RestingBid(Figures):
    """One large bid known to rest: the case's figure, not the crowd's."""

    instrument: str = Field(min_length=1)
    price_usd: float = Field(gt=0, description="USD")
    notional_usd: float = Field(gt=0, description="USD at its own price")


class PatientRules(ActorRules):
    """Orders that rest far from the market, and bidders who wait for a fall (5 and 8, notes 3 and 6)."""

    bids_share: float = Field(
        0.10, ge=0, description="resting bids over open interest (notes 6; 0.05 to 0.3)"
    )
    asks_share: float = Field(0.02, ge=0, description="resting asks over open interest (own)")
    median_fall: float = Field(
        0.25, gt=0, lt=1, description="fall at which half of the bids have been met (own; 0.15 to 0.4)"
    )
    fall_spread: float = Field(
        1.2, gt=0, description="standard deviation of the ln distance, in log price (notes 6; 0.8 to 2.2)"
    )
    deepest: float = Field(0.95, gt=0, lt=1, description="the lowest bid, as a fall (notes 4)")
    levels: int = Field(160, ge=1, le=2000, description="resting bids a coin (own; fine, notes 7.2)")
    ask_levels: int = Field(60, ge=0, le=2000, description="resting asks a coin (own)")
    accounts: int = Field(6, ge=1, le=64, description="accounts that share every coin's ladder (own)")
    stale_share: float = Field(
        3e-5, ge=0, description="spot: stale bids within 10 % over daily turnover (8, F0; a fifth to five)"
    )
    stale_least_usd: float = Field(0.0, ge=0, description="USD; least stale bids within 10 % (8)")
    stale_exponent: float = Field(0.62, gt=0, description="spot: stale bids grow with distance to this (8)")
    resting_bids: tuple[RestingBid, ...] = Field((), description="large bids the case knows of (notes 5)")
    refill_per_minute: float = Field(
        0.01, ge=0, description="share of taken bids that comes back in a minute (notes 4, slowly)"
    )
    dip_usd_per_minute: float | None = amount(
        Basis.CONTRACTS,
        8e-5,
        usual=(2.4e-5, 35e-5),
        ge=0,
        description="USD of new bids a minute at 10 % below outside, all coins "
        "(5, dip: 2 to 30 million where 85 billion trade a day)",
    )
    fall_weight: float = Field(
        0.25, ge=0, description="a fall of the half hour counts this much of a discount for them (own)"
    )
    patient_usd: float | None = amount(
        Basis.COINS,
        0.0025,
        usual=(6e-4, 9e-3),
        ge=0,
        description="USD per spot asset and 10 minutes at 10 % discount "
        "(4, K_pat: 10 to 150 million where 16 billion trade a day)",
    )
    discount_power: float = Field(2.0, gt=0, description="demand grows with the discount to this (notes 5)")
    dip_depth: float = Field(0.03, gt=0, lt=1, description="hunters bid up to so far below the market (own)")
    dip_capital_usd: float | None = amount(
        Basis.CONTRACTS,
        0.018,
        usual=(0.006, 0.054),
        ge=0,
        description="USD; what hunters can spend in all "
        "(own: 1.5 billion where 85 billion trade a day, x/÷ 3)",
    )
    failure_weight: float = Field(1.5, ge=0, description="how often hunters' messages fail (6, app)")


class ArbitrageRules(ActorRules):
    """Firms that buy here and sell elsewhere, or the reverse, with finite capital (section 4)."""

    firms: int = Field(16, ge=2, le=64, description="firms (4; 10 to 60)")
    capital_usd: float | None = amount(
        Basis.CONTRACTS,
        0.0095,
        usual=(0.0035, 0.035),
        gt=0,
        description="USD of margin for contracts (4, K_arb: 0.3 to 3 billion where 85 billion trade a day)",
    )
    leverage: float = Field(5.0, gt=0, description="largest gross notional over equity (own; 2 to 10)")
    small_coin_share: float = Field(
        0.35, gt=0, lt=1, description="of the capital, in firms that leave the two largest coins alone (own)"
    )
    room_exponent: float = Field(
        0.7, ge=0, le=2, description="a coin's part of a firm's room grows with turnover to this (own)"
    )
    taste_spread: float = Field(0.3, ge=0, description="sd of the ln part that a firm gives a coin (own)")
    spot_capital_share: float = Field(
        1.5, ge=0, description="cash for coins in wallets of their own, over that margin (own)"
    )
    spot_room_exponent: float = Field(
        1.65, ge=0, le=3, description="a coin's part of that cash grows with turnover to this (own)"
    )
    fee_band: float = Field(4e-4, ge=0, description="least gap worth trading, share of price (4, fees)")
    band_sigmas: float = Field(
        0.6, ge=0, description="band in standard deviations over the settlement time (4, lambda; 0.3 to 1.2)"
    )
    fast_settlement_s: float = Field(1.0, gt=0, description="s while stock on both sides lasts (4)")
    slow_settlement_s: float = Field(180.0, gt=0, description="s by transfer, coins but the largest (4)")
    largest_settlement_s: float = Field(600.0, gt=0, description="s by transfer, the largest coin (4)")
    stalled_settlement_s: float = Field(1980.0, gt=0, description="s expected in a stall (4, self-check)")
    band_spread: float = Field(
        0.5, ge=0, description="standard deviation of firms' ln bands and limits (own)"
    )
    loss_limit: float = Field(
        0.15, gt=0, description="loss here, share of its capital, at which a firm opens nothing more (own)"
    )
    nerve_s: float = Field(
        600.0, gt=0, description="s in which a firm that opened less opens again (own; 60 to 1200)"
    )
    needed_transfers: float = Field(
        0.5, ge=0, le=1, description="share of transfers below which they open less, in proportion (own)"
    )
    pace_per_s: float = Field(0.2, gt=0, le=1, description="share of its room a firm uses in a second (own)")
    standing_share: float = Field(
        0.01, ge=0, le=1, description="of its free room, what rests at the edges of the band in quiet (own)"
    )
    standing_share_spot: float = Field(0.2, ge=0, le=1, description="the same in spot books (own)")
    return_per_minute: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of spent capital back in a minute of open transfers (4; 0.02 to 0.15)",
    )
    stock_turnover: float = Field(
        0.02, ge=0, description="spot assets held at the start, share of daily turnover (own)"
    )
    redeeming: bool = Field(True, description="spot assets can be carried off the venue and sold (4)")
    leaves: tuple[str, ...] = Field(
        (), description="spot assets it leaves to who redeems or holds them: no market elsewhere (4)"
    )


class BasisRules(Figures):
    """Books short here against spot elsewhere, which buy back when this venue is cheap (1.6, 4)."""

    active: bool = Field(True, description="False: they hold on to their shorts")
    band: float = Field(0.004, ge=0, lt=1, description="discount from which they buy back (4, fees; own)")
    band_spread: float = Field(0.5, ge=0, description="standard deviation of the ln band (own)")
    close_per_minute: float = Field(
        0.05, ge=0, description="share of the short bought back a minute per point of discount (own)"
    )
    most_per_minute: float = Field(0.05, ge=0, description="the largest such share (own)")
    largest_most_per_minute: float = Field(
        0.3, ge=0, description="the same in the two largest coins, where most such money is (4; own)"
    )
    turn_s: float = Field(5.0, gt=0, description="s; bids are renewed so often (own)")
    coins_here: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of the coins they are hedged with that lies on this venue (4; own)",
    )
    collar: float = Field(
        0.03, gt=0, lt=1, description="sales of coins reach so far through the market (notes 7.5)"
    )
    failure_weight: float = Field(1.0, ge=0, description="how often their messages fail (6, programs)")


class TraderRules(ActorRules):
    """What leveraged traders do of their own accord (section 5)."""

    round_s: float = Field(10.0, gt=0, description="s; each account looks at the market so often (own)")
    stop_share: float = Field(0.25, ge=0, le=1, description="longs with a stop (5; 0.10 to 0.45)")
    stop_distance: float = Field(0.05, gt=0, lt=1, description="median distance of a stop, BTC and ETH (5)")
    stop_distance_small: float = Field(0.10, gt=0, lt=1, description="the same, other coins (5)")
    take_profit_share: float = Field(
        0.20, ge=0, le=1, description="shorts with a resting bid (notes 6; 0.10 to 0.35)"
    )
    profit_distance: float = Field(0.08, gt=0, lt=1, description="its median distance, BTC and ETH (own)")
    profit_distance_small: float = Field(0.16, gt=0, lt=1, description="the same, other coins (own)")
    distance_spread: float = Field(0.6, ge=0, description="standard deviation of ln distances (own)")
    close_per_minute: float = Field(
        0.03, ge=0, description="hazard of closing at the margin call (5, lam_0; 0.01 to 0.08)"
    )
    close_slope: float = Field(
        0.8, ge=0, description="its fall per daily sigma of distance to the call (5, k; 0.4 to 1.5)"
    )
    daily_volatility: float = Field(
        0.04, gt=0, description="a day's sigma of BTC; others in proportion (1.6)"
    )
    panic_per_minute: float = Field(
        0.002, ge=0, description="hazard of a long per 10 % fall in 30 minutes (5, panic and own)"
    )
    profit_per_minute: float = Field(
        0.005, ge=0, description="hazard of a short per 10 % fall in 30 minutes (own; notes 4, shorts)"
    )
    top_up_share: float = Field(0.08, ge=0, le=1, description="accounts that add margin (5; 0.03 to 0.20)")
    top_up_ratio: float = Field(1.5, ge=1, description="equity over maintenance below which they do (5)")
    top_up_size: tuple[Share, Share] = Field(
        (0.3, 1.0), description="what they add, share of equity at the start (5)"
    )
    top_up_minutes: float = Field(5.0, gt=0, description="minutes until they do, on average (5)")
    holder_per_minute: float = Field(
        0.002, ge=0, description="hazard of an asset holder selling per point below the outside (2.3)"
    )
    holder_cap_per_minute: float = Field(0.05, ge=0, description="the largest such hazard (2.3)")
    collar: float = Field(
        0.03, gt=0, lt=1, description="own orders reach so far through the market (notes 7.5)"
    )
    visible_share: float = Field(
        0.25, gt=0, le=1, description="share of the visible depth that leavers use in a second (notes 7.5)"
    )
    visible_band: float = Field(0.01, gt=0, lt=1, description="what counts as visible, from the touch (own)")
    people_per_second: float | None = amount(
        Basis.PEOPLE,
        0.002,
        usual=(1e-4, 4e-2),
        gt=0,
        le=MOST_PEOPLE,
        description="people a coin whose turn comes in a second, of those who leave (own: x/÷ 20)",
    )
    most_turns: float = Field(
        400.0,
        gt=0,
        description="turns a coin and second at most, so that a full-size crowd can be afforded (own)",
    )
    message_weight: float | None = amount(
        Basis.PERSON,
        20_000.0,
        usual=(1_000.0, 400_000.0),
        ge=0,
        le=400_000,
        description="load of a person's message over that of one of the crowd's programs (own: x/÷ 20)",
    )
    failure_weight: float = Field(1.5, ge=0, description="messages of an app fail more often (6)")
    transfer_failure_weight: float = Field(2.0, ge=0, description="and transfers more still (6)")


class LoopProduct(Figures):
    """One way to borrow against an asset in order to buy more of it; multiple 1 is a holder without debt."""

    name: str = Field(min_length=1, description="what it is called")
    profile: str = Field(min_length=1, description="margin profile of its accounts")
    multiple: float = Field(ge=1, description="largest assets over equity (2.1)")
    share: float = Field(
        ge=0, le=1, description="of the assets in loops; of holders' assets if multiple is 1"
    )


class LoopedAsset(Figures):
    """An asset that is looped on the venue: the case's figures (2.3)."""

    instrument: str = Field(min_length=1)
    loops_usd: float = Field(
        0.0, ge=0, description="USD of assets in loops if all pay (2.3, G_loop; 4e8 to 2e9)"
    )
    debt: str = Field("", description="spot asset that loops owe; empty: the settlement asset")
    yield_percent: float = Field(
        12.0, ge=0, description="% a year, what it pays (2.1, campaign; 8 before it)"
    )
    borrow_percent: float = Field(0.0, ge=0, description="% a year on what is owed; 0: the house's rate")
    change_s: float = Field(0.0, ge=0, description="s after the start at which the yield changes; 0: never")
    changed_percent: float = Field(7.0, ge=0, description="% a year, what it pays then (2.1, after it)")
    holders_usd: float = Field(
        0.0, ge=0, description="USD held without debt or position (2.3, H less G and X)"
    )


class LooperRules(ActorRules):
    """Who holds a looped asset, with debt and without (section 2)."""

    assets: tuple[LoopedAsset, ...] = Field((), description="none: nobody loops")
    products: tuple[LoopProduct, ...] = Field(
        (
            LoopProduct(name="margin", profile="spot-margin", multiple=5.0, share=0.45),
            LoopProduct(name="loan", profile="loan", multiple=3.5, share=0.35),
            LoopProduct(name="vip loan", profile="vip-loan", multiple=3.5, share=0.20),
            LoopProduct(name="holder", profile="single", multiple=1.0, share=1.0),
        ),
        description="margin, flexible and VIP loans, no debt (2.3, mix_m; each share ± 0.15)",
    )
    accounts: int = Field(400, ge=1, description="accounts a product and asset (own)")
    people: int = Field(
        12_000, ge=1, le=MOST_PEOPLE, description="people they stand for (2.3, n_loop; 3,000 to 40,000)"
    )
    median_equity_usd: float = Field(
        5_000.0, gt=0, description="USD; median equity, before all are scaled to the asset's figure (2.3)"
    )
    largest_usd: float = Field(100e6, gt=0, description="USD; largest equity, likewise (2.3)")
    multiple_spread: float = Field(0.15, ge=0, description="sd of the ln multiple below the largest (2.3)")
    least_points: float = Field(
        3.0, ge=0, description="points a year over holding that a loop must pay (2.3, entry)"
    )
    rate_spread: float = Field(0.1, ge=0, description="sd of the ln rate at which accounts borrow (own)")
    exit_price: float = Field(0.985, gt=0, description="own price over outside below which loops leave (2.3)")
    exit_loss: float = Field(
        0.1,
        gt=0,
        description="of equity: who would lose more by leaving waits "
        "(own: recorded turnover of 2 million a minute at 0.90 to 0.96; 0.05 to 0.5)",
    )
    exit_share: float = Field(0.3, ge=0, lt=1, description="of loopers look within ten minutes (2.3)")
    holder_per_minute: float = Field(
        0.0002,
        ge=0,
        description="hazard of a holder per point below the outside "
        "(2.3 has 0.002, ten times what traded at 0.90 to 0.96; 0.0001 to 0.002)",
    )
    holder_cap_per_minute: float = Field(0.05, ge=0, description="the largest such hazard (2.3)")
    round_s: float = Field(10.0, gt=0, description="s; each account looks at the market so often (own)")
    collar: float = Field(
        0.03, gt=0, lt=1, description="own orders reach so far through the market (notes 7.5)"
    )
    visible_share: float = Field(0.25, gt=0, le=1, description="of the visible depth, a second (notes 7.5)")
    visible_band: float = Field(0.01, gt=0, lt=1, description="what counts as visible, from the touch (own)")
    orders_per_step: int = Field(40, ge=1, description="leavers that get through in a second (own)")
    failure_weight: float = Field(1.5, ge=0, description="how often their messages fail (6, app)")


class RedeemableAsset(Figures):
    """An asset that firms can have redeemed at par off the venue: the case's figures (4)."""

    instrument: str = Field(min_length=1)
    capital_usd: float = Field(ge=0, description="USD of firms able and willing (4, K_usde; 5e7 to 4e8)")
    placed_share: float = Field(0.1, ge=0, le=1, description="of it in cash on the venue at the start (own)")
    block_usd: float = Field(gt=0, description="USD redeemed at most in a block (4; 1e6 to 5e6)")
    block_s: float = Field(12.0, gt=0, description="s a block (4)")
    delay_s: float = Field(0.0, ge=0, description="s from redemption to money (4; days for staked assets)")
    least_transfers: float = Field(
        0.9, ge=0, le=1, description="share of transfers that must work for its wallet to send (own)"
    )


class RedemptionRules(ActorRules):
    """Firms that buy below par, carry off and redeem (section 4)."""

    assets: tuple[RedeemableAsset, ...] = Field((), description="none: nobody redeems")
    firms: int = Field(4, ge=1, le=64, description="firms an asset (own)")
    band: float = Field(0.003, ge=0, lt=1, description="discount from which they buy, share of par (own)")
    look_s: float = Field(5.0, gt=0, description="s; a bid is replaced so often (own)")
    pace_per_s: float = Field(0.02, gt=0, le=1, description="of its cash a firm commits in a second (own)")
    move_per_minute: float = Field(
        0.05, ge=0, description="of what waits moves in a minute of open transfers (4, refill; 0.02 to 0.15)"
    )
    failure_weight: float = Field(1.0, ge=0, description="how often their messages fail (6, programs)")


class NoiseRules(ActorRules):
    """Everybody else: two-sided takers who make turnover (sections 1.1, 5 and 6)."""

    share: float = Field(0.6, ge=0, le=1, description="of ordinary turnover that is noise (own)")
    books: int = Field(4, ge=1, le=32, description="independent parent orders a coin (own)")
    parent_s: float = Field(25.0, gt=0, description="s that a parent order keeps its side, on average (own)")
    size_spread: float = Field(1.2, ge=0, description="standard deviation of ln size of an order (1.3, 8)")
    growth: float = Field(1.4, ge=0, description="turnover grows with volatility over calm to this (2.1)")
    growth_cap: float = Field(60.0, ge=1, description="largest growth (2.1; futures traded 18 times as much)")
    inventory_minutes: float = Field(
        20.0, gt=0, description="minutes of flow at which a book wants only to turn back (own)"
    )
    visible_share: float = Field(0.20, gt=0, le=1, description="share of visible depth per order (notes 7.5)")
    visible_band: float = Field(0.002, gt=0, lt=1, description="what counts as visible, from the touch (own)")
    collar: float = Field(0.01, gt=0, lt=1, description="orders reach so far through the market (notes 7.5)")
    failure_weight: float = Field(1.0, ge=0, description="how often its messages fail, times the weather (6)")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.collar < self.visible_band:
            raise ValueError(
                f"collar is {self.collar}; at least visible_band ({self.visible_band}) is needed"
            )
        return self

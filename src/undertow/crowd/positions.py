"""Which coins an account holds, how much of each, and on which side: three plain loops.

Holds kernels only; population.py prepares their arrays. Accounts come largest first, so that the loop over
the tail can keep each coin's long share near its target whatever the draw.
Units: notional, equity and caps in micro-dollars, as floats; sizes become lots in population.py.
Invariant: positions of an account are of distinct coins, none above its cap, and sum to the account's gross
where the caps allow it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.streams import uniform_at

_DRAWS = 128  # ids set aside for one account's draws
_TRIES = 48


class CoinChoice(NamedTuple):
    """What the choice of coins needs to know of the coins."""

    weights: NDArray[np.float64]  # chance of being drawn
    cumulative: NDArray[np.float64]  # running sum of `weights`, the last entry 1
    tilt: NDArray[np.float64]  # share of an account's notional, before its own draw
    largest: NDArray[np.float64]  # cap on one account's notional
    bracket_offsets: NDArray[np.int64]  # into the two arrays below; equal offsets: no brackets
    bracket_ends: NDArray[np.float64]  # notional up to which...
    bracket_leverages: NDArray[np.float64]  # ...this leverage is allowed


class AccountSizes(NamedTuple):
    """What it needs to know of the accounts."""

    gross: NDArray[np.float64]
    leverage: NDArray[np.float64]
    wanted: NDArray[np.int64]  # number of coins
    offsets: NDArray[np.int64]  # room for positions
    single: int  # accounts before this one take more coins until their caps hold their gross


@kernel
def coin_cap(choice: CoinChoice, coin: int, leverage: float) -> float:
    """The largest notional in a coin at a leverage: by share of open interest and by brackets."""
    cap = choice.largest[coin]
    first, last = choice.bracket_offsets[coin], choice.bracket_offsets[coin + 1]
    if last > first:
        end = 0.0
        for bracket in range(first, last):
            if choice.bracket_leverages[bracket] < leverage:
                break
            end = choice.bracket_ends[bracket]
        cap = min(cap, end)
    return float(cap)


@kernel
def _next_coin(key: np.uint64, choice: CoinChoice, account: int, tries: int, taken: NDArray[np.int64]) -> int:
    """A coin not yet taken; -2: this try failed; -1: none is left. Late tries take the first free."""
    count = len(choice.weights)
    if tries < _TRIES:
        draw = uniform_at(key, account * _DRAWS + tries)
        coin = 0
        while coin < count - 1 and choice.cumulative[coin] <= draw:
            coin += 1
        if taken[coin] != account + 1:
            return coin
        return -2
    for coin in range(count):
        if taken[coin] != account + 1:
            return coin
    return -1


class Scratch(NamedTuple):
    """Working space of `choose_coins`, one entry per coin."""

    taken: NDArray[np.int64]
    caps: NDArray[np.float64]
    appetites: NDArray[np.float64]


@kernel
def choose_coins(
    key: np.uint64,
    choice: CoinChoice,
    sizes: AccountSizes,
    scratch: Scratch,
    coins: NDArray[np.int16],
    notional: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Fill `coins`, `notional` (at `sizes.offsets`) and `counts`.

    An account draws as many coins as it wants, one of the tail more until their caps hold its gross.
    """
    taken, caps, appetites = scratch.taken, scratch.caps, scratch.appetites
    for coin in range(len(taken)):
        taken[coin] = 0
    for account in range(len(sizes.gross)):
        start, gross = sizes.offsets[account], sizes.gross[account]
        space = sizes.offsets[account + 1] - start
        room, held, tries = 0.0, 0, 0
        while held < space and (held < sizes.wanted[account] or (account < sizes.single and room < gross)):
            coin = _next_coin(key, choice, account, tries, taken)
            tries += 1
            if coin == -1:
                break
            if coin == -2:
                continue
            taken[coin] = account + 1
            cap = coin_cap(choice, coin, sizes.leverage[account])
            if cap <= 0.0:
                continue
            coins[start + held] = coin
            caps[held] = cap
            appetites[held] = choice.tilt[coin] * (0.3 + uniform_at(key, account * _DRAWS + _TRIES + held))
            room += cap
            held += 1
        counts[account] = held
        if held == 1:
            notional[start] = min(gross, caps[0])
        elif held > 1:
            _split(gross, held, start, caps, appetites, notional)


@kernel
def _split(
    gross: float,
    held: int,
    start: int,
    caps: NDArray[np.float64],
    appetites: NDArray[np.float64],
    notional: NDArray[np.float64],
) -> None:
    """Divide an account's gross over its coins by appetite, none above its cap, in four rounds."""
    for place in range(held):
        notional[start + place] = 0.0
    rest = gross
    for _ in range(4):
        total = 0.0
        for place in range(held):
            if notional[start + place] < caps[place]:
                total += appetites[place]
        if total <= 0.0 or rest <= 1.0:
            break
        spilled = 0.0
        for place in range(held):
            free = caps[place] - notional[start + place]
            if free <= 0.0:
                continue
            given = rest * appetites[place] / total
            kept = min(given, free)
            notional[start + place] += kept
            spilled += given - kept
        rest = spilled


class SideRules(NamedTuple):
    """How sides are given."""

    single: int  # accounts before this one are balanced, those after drawn
    long_share: float  # chance that an account of the body is long
    one_sided: float  # chance that an account of several coins has one side in all
    tail_share: NDArray[np.float64]  # per coin: the long share that the tail has to reach
    tail_total: NDArray[np.float64]  # per coin: notional of the tail


@kernel
def assign_sides(
    key: np.uint64,
    rules: SideRules,
    offsets: NDArray[np.int64],
    coins: NDArray[np.int16],
    notional: NDArray[np.float64],
    draws: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Give `notional` its sign. `draws`: a stratified uniform per account; `sums`: scratch of [2, n_coins].

    In the tail an account takes the side that its coins lack so far, rounded by chance: over the whole tail
    the long share is met to within one account, and who stands on which side still differs from crowd to
    crowd.
    """
    sums[:, :] = 0.0
    for account in range(len(offsets) - 1):
        first, last = offsets[account], offsets[account + 1]
        together = last - first == 1 or uniform_at(key, account * _DRAWS) < rules.one_sided
        long = draws[account] < rules.long_share
        need = 0.0
        for place in range(first, last):
            coin = coins[place]
            if account < rules.single:
                lack = _lack(rules, sums, coin, notional[place], draws[account])
                need += notional[place] * lack / rules.tail_total[coin]
        if account < rules.single:
            long = need > 0.0
        for place in range(first, last):
            coin = coins[place]
            side = long
            if not together:
                own = uniform_at(key, account * _DRAWS + 1 + place - first)
                side = own < rules.long_share
                if account < rules.single:
                    side = _lack(rules, sums, coin, notional[place], own) > 0.0
            if account < rules.single:
                sums[0, coin] += notional[place]
                if side:
                    sums[1, coin] += notional[place]
            if not side:
                notional[place] = -notional[place]


@kernel
def _lack(rules: SideRules, sums: NDArray[np.float64], coin: int, notional: float, draw: float) -> float:
    """What the longs of a coin's tail lack, less the part of the newcomer that `draw` keeps back."""
    total = sums[0, coin] + notional
    return float(rules.tail_share[coin] * total - sums[1, coin] - draw * notional)

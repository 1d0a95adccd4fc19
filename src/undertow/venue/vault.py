"""Stage 2, "vault": one house account that takes whole wallets over, until it has lost too much.

Holds the trigger and the vault's loss limit. Holds no order (`pacing_staged`), no disposal and no
close (`closing.close_inventory`).

A wallet below its share of maintenance passes with everything in it; its owner gets nothing back. Once
the vault stands below its capital by more than the loss limit, what it holds is closed against winners, as
if it were bankrupt, and with empty hands it takes over again. As long as it still holds something then, it
takes nothing more, and what it would have taken goes on in the book until it is below zero.

Units: settlement units. Rounding: the trigger is compared exactly. Invariant: the loss is that of everything
at the mark, unweighted, so it moves only with prices, trades and payments.

Source: Hyperliquid docs, trading/liquidations (equity below 2/3 of maintenance); the announcement of 27
Mar 2025 (a loss beyond a threshold triggers auto-deleveraging instead of a draw on other vaults). On 10
October 2025 the first round had one losing account, with 44 contracts and a deficit of 10.9 million.
"""

from __future__ import annotations

from typing import NamedTuple

from undertow._jit import kernel
from undertow.units import mul_div_ceil
from undertow.venue.dollars import in_units
from undertow.venue.integers import wide
from undertow.venue.liquidation import fund_of
from undertow.venue.margin import maintenance_parts, worth
from undertow.venue.state import STAGE_FREE, State
from undertow.venue.takeover import cover, has_positions, list_bankrupt, sweep_flat, take_over


class Vault(NamedTuple):
    """Figures of the vault."""

    account: int
    numerator: int  # of maintenance margin: a wallet below this share passes
    denominator: int
    capital: int  # millionths of a dollar that it began with
    loss_limit: int  # the same: when it has lost more, what it holds is closed


@kernel
def is_below_share(equity: int, maintenance: int, numerator: int, denominator: int) -> bool:
    """Whether equity < numerator / denominator of maintenance, exactly."""
    return equity < mul_div_ceil(maintenance, numerator, denominator)


@kernel
def within_limit(state: State, vault: Vault) -> bool:
    """Whether the vault has not lost more than its limit."""
    settlement = state.accounts[vault.account].settlement
    return worth(state, vault.account) >= in_units(state, settlement, vault.capital - vault.loss_limit)


@kernel
def vault_takes(state: State, vault: Vault) -> bool:
    """Whether the vault takes a wallet over now: within its limit, or with empty hands."""
    return within_limit(state, vault) or not has_positions(state, vault.account)


@kernel
def payer(state: State, vault: Vault, account: int) -> int:
    """Who pays what a wallet without positions owes: the vault of its settlement asset, else its fund."""
    if state.accounts[account].settlement == state.accounts[vault.account].settlement:
        return wide(vault.account)
    return wide(fund_of(state, account))


@kernel
def hand_over(state: State, vault: Vault, account: int) -> bool:
    """What orders could not do. True if the wallet was taken over, listed for allocation, or covered.

    Below zero with contracts: listed. Below its share of maintenance: to the vault, if it still takes.
    Without contracts or assets: the vault pays what is missing, as far as its cash goes. A wallet in
    another settlement asset than the vault's has no vault behind it, but its fund.
    """
    within = state.accounts[account].settlement == state.accounts[vault.account].settlement
    if not has_positions(state, account):
        sweep_flat(state, account)
        cover(state, account, wide(payer(state, vault, account)), 0)
        if state.accounts[account].cash == 0:
            state.accounts[account].stage = STAGE_FREE
        return True
    equity, maintenance, gross = maintenance_parts(state, account)
    if equity < 0 and gross > 0:
        list_bankrupt(state, account)
        return True
    if not is_below_share(equity, maintenance, vault.numerator, vault.denominator):
        return False
    if not within or not vault_takes(state, vault):
        return False
    take_over(state, account, vault.account)
    return True

"""Drawn populations kept in the cache: read back to the byte, never trusted blindly, and not without end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from undertow import _cache
from undertow.crowd import population_store
from undertow.crowd.population import Population, generate_population
from undertow.crowd.population_store import drawn_once, key_of
from undertow.crowd.rules import Listing, PopulationRules

ACCOUNTS = 300
RULES = PopulationRules()
LISTING = Listing(
    prices_ticks=np.array([100_000, 4_000, 1_000], np.int64),
    unit_micros=np.array([10, 100, 1_000], np.int64),
    open_interest_micros=np.array([3_000_000_000_000, 900_000_000_000, 0], np.int64),
    collateral_share=np.array([0.0, 0.0, 0.3]),
    collateral_micros=np.zeros(3, np.int64),
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own."""
    monkeypatch.setenv("UNDERTOW_CACHE_DIR", str(tmp_path))
    return tmp_path / _cache.POPULATIONS


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of every population that was drawn and not read."""
    seeds: list[int] = []

    def counted(listing: Listing, accounts: int, seed: int, rules: PopulationRules) -> Population:
        seeds.append(seed)
        return generate_population(listing, accounts, seed, rules)

    monkeypatch.setattr(population_store, "generate_population", counted)
    return seeds


def same(one: Population, other: Population) -> bool:
    """Equal in every value and type."""
    return all(
        type(left) is type(right)
        and np.asarray(left).dtype == np.asarray(right).dtype
        and np.array_equal(left, right)
        for left, right in zip(one, other, strict=True)
    )


def test_read_back_to_the_byte(draws: list[int]) -> None:
    """The second time nothing is drawn; arrays can be written to."""
    first = drawn_once(LISTING, ACCOUNTS, 1, RULES)
    second = drawn_once(LISTING, ACCOUNTS, 1, RULES)
    assert draws == [1]
    assert same(first, second)
    assert second.cash_micros.flags.writeable


def test_key_depends_on_everything() -> None:
    """Seed, number of accounts, rules, and every column of the listing."""
    other_rules = RULES.model_copy(update={"long_accounts": 0.6})
    keys = {
        key_of(LISTING, ACCOUNTS, 1, RULES),
        key_of(LISTING, ACCOUNTS, 2, RULES),
        key_of(LISTING, ACCOUNTS + 1, 1, RULES),
        key_of(LISTING, ACCOUNTS, 1, other_rules),
    }
    for place, name in enumerate(Listing._fields):
        column = LISTING[place]
        changed = np.ones(3) if column is None else column + 1
        keys.add(key_of(LISTING._replace(**{name: changed}), ACCOUNTS, 1, RULES))
    assert len(keys) == 4 + len(Listing._fields)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"not a population" * 500,
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(b'"format": 1', b'"format": 9'),
        lambda content: content.replace(b'"key": "', b'"key": "0', 1),
        lambda content: content.replace(b"[[", b"[ ", 1),
    ],
    ids=["cut short", "empty", "foreign", "one bit", "other format", "other key", "broken seal"],
)
def test_damaged_files_are_drawn_anew(
    damage: Callable[[bytes], bytes], draws: list[int], cache: Path
) -> None:
    """And replaced by what was drawn."""
    first = drawn_once(LISTING, ACCOUNTS, 1, RULES)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert same(drawn_once(LISTING, ACCOUNTS, 1, RULES), first)
    assert draws == [1, 1]
    assert file.read_bytes() == whole


def test_file_of_another_description_is_not_used(draws: list[int], cache: Path) -> None:
    """A whole file under a wrong name."""
    drawn_once(LISTING, ACCOUNTS, 1, RULES)
    (file,) = cache.iterdir()
    file.rename(cache / f"{key_of(LISTING, ACCOUNTS, 2, RULES)}.bin")
    drawn_once(LISTING, ACCOUNTS, 2, RULES)
    assert draws == [1, 2]


def test_oldest_are_removed(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """All files together stay within the bound; what was read last is kept."""
    drawn_once(LISTING, ACCOUNTS, 1, RULES)
    (first,) = cache.iterdir()
    monkeypatch.setattr(_cache, "POPULATION_BYTES", first.stat().st_size * 5 // 2)
    for age, seed in ((300, 2), (200, 3)):
        os.utime(first, (0, 0))
        drawn_once(LISTING, ACCOUNTS, seed, RULES)
        newest = cache / f"{key_of(LISTING, ACCOUNTS, seed, RULES)}.bin"
        os.utime(newest, (2e9 - age, 2e9 - age))
    assert not first.exists()
    assert len(list(cache.iterdir())) == 2


def test_kernels_of_old_versions_are_removed(cache: Path) -> None:
    """Those not used for a day, but for the newest few; what is in use is never among them."""
    root = cache.parent
    for number in range(9):
        folder = root / f"{_cache.KERNELS}{number}"
        folder.mkdir(parents=True)
        if number < 7:
            os.utime(folder, (number + 1, number + 1))
    _cache.tidy()
    kept = sorted(folder.name for folder in root.glob(f"{_cache.KERNELS}*"))
    assert kept == [f"{_cache.KERNELS}{number}" for number in (5, 6, 7, 8)]


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is kept, and nothing is wrong."""
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("UNDERTOW_CACHE_DIR", str(blocked))
    assert len(drawn_once(LISTING, ACCOUNTS, 1, RULES).cash_micros) >= ACCOUNTS

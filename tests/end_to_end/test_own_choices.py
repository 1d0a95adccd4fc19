"""A run with a policy of one's own, a policy by name, and a population from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import undertow
from tidy_rules import ROOT
from undertow.errors import InputError
from undertow.lab import warmup
from undertow.lab.run import run_case
from undertow.tape import RunFolder, Tape
from undertow.venue.allocation import Allocation, Need, Winners, policy

SMALL = ROOT / "docs/how-to/small-crash.toml"


class Counting:
    """Contract pro-rata that remembers how often it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close in proportion."""
        self.asked += 1
        return policy("contract-pro-rata").allocate(winners, need)


def test_a_run_takes_a_policy_object_and_says_so(tmp_path: Path) -> None:
    """Without a fund the losers are closed against winners, by the object that was handed over."""
    counting = Counting()
    nothing_else = {"house.fund_usd": 0, "rulebook.backstop.kind": "none"}
    result = undertow.run(SMALL, nothing_else, out=tmp_path, policy=counting)
    assert counting.asked > 0
    assert RunFolder.open(result.folder).read()["policy"] == "counting"
    by_name = undertow.run(SMALL, nothing_else, out=tmp_path, policy="contract-pro-rata")
    with Tape(result.folder) as own, Tape(by_name.folder) as named:
        assert own.record["hashes"]["venue"] == named.record["hashes"]["venue"]
    with pytest.raises(InputError, match="policy: int is no allocation policy"):
        run_case(SMALL, out=tmp_path, policy=3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there is no allocation policy 'contract'"):
        run_case(SMALL, out=tmp_path, policy="contract")
    with pytest.raises(InputError, match="did you mean 'bad-debt'"):
        run_case(SMALL, out=tmp_path, policy="bad-dept")


def test_a_policy_that_is_none_is_refused_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest case is drawn for seconds; a slip in a name is answered at once."""

    def drawn(*_given: object) -> None:
        raise AssertionError("the venue was built first")

    monkeypatch.setattr("undertow.lab.run.build_venues", drawn)
    with pytest.raises(InputError, match="there is no allocation policy 'none-at-all'"):
        run_case("oct-2025", out=tmp_path, policy="none-at-all")


def test_a_run_takes_a_population_from_a_file(tmp_path: Path) -> None:
    names = [row.name for row in undertow.load_case(SMALL).instruments if row.kind != "spot"]
    price = next(row for row in undertow.load_case(SMALL).world.coin).anchors[0].price
    rows = ["account,cash_usd,instrument,size_coins,entry_price"]
    rows += [f"{number},{1000 + number},{names[0]},{(-1) ** number * 0.01},{price}" for number in range(50)]
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(rows))
    result = run_case(SMALL, out=tmp_path, population=file)
    record = RunFolder.open(result.folder).read()
    assert (record["population"], record["accounts"]) == ("mine.csv", 50)
    assert len(record["population_hash"]) == 16
    with Tape(result.folder) as tape:
        code = record["groups"].index("trader")
        start = tape.fetch(f'select equity_start from accounts where "group" = {code} order by account')
    assert np.sort(start["equity_start"]).tolist()[0] >= 990_000_000
    assert len(start["equity_start"]) == 50


def test_a_second_warm_up_has_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[str, object]] = []
    monkeypatch.setattr(warmup, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(warmup, "run_case", lambda case, settings, *rest: played.append((case, settings)))
    assert not warmup.is_warm()
    assert warmup.warm_up()
    assert warmup.is_warm()
    assert not warmup.warm_up()
    assert played == [(warmup.CASE, {"step_seconds": warmup.STEP_SECONDS})]


def test_python_is_told_once_that_compiling_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from undertow import _jit

    monkeypatch.setattr(_jit, "_told", False)
    monkeypatch.setattr(_jit, "is_compiled", lambda: False)
    undertow.Venue("binance-2025")
    undertow.Venue("binance-2025")
    assert [record.message for record in caplog.records].count(
        "compiling the engine, the first time only: half a minute to a minute"
    ) == 1
    told: list[str] = []
    monkeypatch.setattr(_jit, "_told", False)
    _jit.tell_of_compiling(told.append)
    assert told == ["compiling the engine, the first time only: half a minute to a minute"]

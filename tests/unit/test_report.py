"""The report: opens no outside resource, hides no failed fact, and its who-paid table adds up to zero."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from support.synthetic_run import NAMES, Sizes, made_up_facts, make_synthetic_run
from undertow.errors import DataError
from undertow.lab.score import read_score
from undertow.rulebook.waterfall import Allocation, Backstop, Liquidation
from undertow.tape import RunFolder, Tape, TapeWriter
from undertow.venue.records import EVENT, EventKind, Role
from undertow.views.report import money, write_report
from undertow.views.report.adl import Reasons, reasons_of
from undertow.views.report.crowd import Struck, in_words
from undertow.views.report.series import page_values, thinned
from undertow.views.report.words import rulebook_sentences

SIZE_LIMIT = 6_000_000
LISTED = {
    "instrument": [0],
    "name": ["X"],
    "kind": ["linear"],
    "class": ["default"],
    "tick_usd": [0.1],
    "lot_coins": [1.0],
    "unit": [1],
    "lots_per_coin": [1],
    "is_collateral": [False],
    "outside_start_ticks": [10],
    "maker_depth": [0],
}


class Elements(HTMLParser):
    """Collects a page's elements with their attributes, and its text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.text.append(data.strip())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs") / "made-up"
    return make_synthetic_run(folder, Sizes(accounts=1500, fills=3000, steps=3600))


@pytest.fixture(scope="module")
def page(run: RunFolder) -> str:
    return write_report(run).read_text("utf-8")


@pytest.fixture(scope="module")
def read(page: str) -> Elements:
    reader = Elements()
    reader.feed(page)
    return reader


def test_no_outside_resource(page: str, read: Elements) -> None:
    """Nothing is fetched: no source, style or image from elsewhere, and the page's own policy forbids it."""
    for tag, attributes in read.elements:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base"), tag
        assert "src" not in attributes, (tag, attributes)
        if tag == "a":
            assert (attributes["href"] or "").startswith(("#", "https://example.org/"))
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert "url(" not in styles and "@import" not in styles
    policy = [attributes for tag, attributes in read.elements if attributes.get("http-equiv")]
    assert "default-src 'none'" in str(policy[0]["content"])
    assert "http" not in str(policy[0]["content"])


def test_one_file_of_modest_size(run: RunFolder, page: str) -> None:
    assert 200_000 < len(page.encode()) < SIZE_LIMIT
    assert page.count("<html") == 1


def test_same_run_same_report(run: RunFolder, page: str) -> None:
    """But for the identifiers Bokeh draws for its own elements."""
    again = write_report(run).read_text("utf-8")
    body = re.compile(r"<main>.*</main>", re.DOTALL)
    plain = [re.sub(r'(id|data-root-id)="[^"]*"', "", str(body.findall(text)[0])) for text in (page, again)]
    assert plain[0] == plain[1]


def test_no_path_of_this_machine(run: RunFolder, page: str) -> None:
    assert str(run.path.parent) not in page


def test_who_paid_sums_to_zero(run: RunFolder, page: str) -> None:
    with Tape(run) as tape:
        paid = money.who_paid(tape)
        results = tape.rows("select equity_end - equity_start - deposits + withdrawals from accounts")
    payers = paid.payers
    assert paid.total == paid.revalued == paid.difference == 0
    assert sum(result for (result,) in results) == 0
    assert [payer.result for payer in payers] == sorted(payer.result for payer in payers)
    for payer in payers:
        assert payer.end == payer.start + payer.deposited + payer.result
    section = page[page.index('id="who-paid"') : page.index('id="facts"')]
    rows = re.findall(r"<tr>(.*?)</tr>|<tr class=\"total\">(.*?)</tr>", section, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", plain or total) for plain, total in rows]
    shown = [to_micros(row[5]) for row in cells if len(row) == 6]
    assert len(shown) == len(payers) + 1
    assert shown[-1] == 0 == sum(shown[:-1])


def to_micros(text: str) -> int:
    return int(text.replace(",", "").replace(".", "").replace("−", "-"))


def accounts_table(end: list[int], liquidated: list[int]) -> dict[str, list[int]]:
    count = len(end)
    zeros = [0] * count
    columns = {name: list(zeros) for name in ("owner", "settlement", "profile", "deposits", "withdrawals")}
    return {
        **columns,
        "account": list(range(count)),
        "role": [int(Role.FUND), *([int(Role.CUSTOMER)] * (count - 1))],
        "group": zeros,
        "equity_start": [100] * count,
        "equity_end": end,
        "cash_end": end,
        "liquidated": liquidated,
        "taken_over": zeros,
        "adl_lots": zeros,
        "people": [0, *([1] * (count - 1))],
    }


def write_accounts(folder: Path, end: list[int], kind: str, value_end: int = 0) -> Tape:
    run = RunFolder.create(folder, {"start_utc": "2025-10-10T20:40:00Z", "groups": ["trader"]})
    writer = TapeWriter(run)
    writer.accounts(accounts_table(end, [0, 1, 0]))
    writer.instruments({**LISTED, "kind": [kind], "is_collateral": [kind == "spot"]})
    if kind == "spot":
        writer.block("assets", np.array([[0, 0, 10, 12, 1_000, value_end, 300, 100]], np.int64))
    writer.finish()
    return Tape(run)


def test_what_nobody_paid_stands_apart(tmp_path: Path) -> None:
    """A trader with 100 ends at -30: it paid 100, 30 is unpaid, the other trader won 110, the fund 20."""
    tape = write_accounts(tmp_path / "r", [120, -30, 210], "linear")
    assert {one.who: one.result for one in money.who_paid(tape).payers} == {
        "Traders, liquidated": -100,
        money.UNPAID: -30,
        "Insurance fund": 20,
        "Traders, untouched": 110,
    }


@pytest.mark.parametrize("lost", [50, 49])
def test_books_that_do_not_add_up_say_so(tmp_path: Path, lost: int) -> None:
    """A holder lost 50. Assets began at 1,000, 300 came in, 100 went out; they end at 1,200 - lost."""
    paid = money.who_paid(write_accounts(tmp_path / "r", [100, 50, 100], "spot", value_end=1_200 - lost))
    assert (paid.total, paid.revalued, paid.difference) == (-50, -lost, lost - 50)
    assert ("do not balance" in write_report(tmp_path / "r").read_text("utf-8")) is (lost != 50)


def test_the_funds_statement_adds_up(run: RunFolder) -> None:
    with Tape(run) as tape:
        lines = money.fund_statement(tape)
        start, end = tape.rows("select equity_start, equity_end from accounts where role = 9")[0]
    assert (lines[0].amount, lines[-1].amount) == (start, end)
    assert sum(line.amount for line in lines[:-1]) == end
    assert {"Liquidation fee", "Paid by the insurance fund"} <= {line.label for line in lines}


def test_every_fact_is_shown_missed_ones_too(run: RunFolder, read: Elements) -> None:
    score = read_score(run)
    assert score is not None
    text = " ".join(read.text)
    for fact in made_up_facts():
        assert fact.definition in text
    passed = sum(row.passed for row in score.rows)
    assert read.text.count("met") == passed
    assert read.text.count("missed") == len(score.rows) - passed > 0
    assert "this run has no instrument 'PEPE-PERP'" in text


def test_sections_name_their_queries(read: Elements) -> None:
    """Each figure and table of the tape has the SQL that gives it."""
    assert sum(tag == "figure" for tag, _ in read.elements) == 13
    queries = [text for text in read.text if text.startswith(("select", "with"))]
    assert len(queries) >= 20


def test_queries_shown_can_be_put_to_the_tape(run: RunFolder, read: Elements) -> None:
    with Tape(run) as tape:
        for query in {text for text in read.text if text.startswith(("select", "with"))}:
            assert tape.rows(query) is not None


def test_every_coin_can_be_chosen(page: str, read: Elements) -> None:
    found = re.search(r'id="undertow-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert list(json.loads(found[1])["instruments"]) == NAMES
    cards = [
        attributes["data-name"] for tag, attributes in read.elements if attributes.get("class") == "coin"
    ]
    assert cards == NAMES


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    run = make_synthetic_run(tmp_path / "run", Sizes(accounts=60, fills=50, steps=600))
    run.update(title="<script>alert(1)</script>", status="partial", steps_done=300)
    page = write_report(run).read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Partial run." in page


def test_an_empty_run_still_has_a_report(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {"start_utc": "2025-10-10T20:40:00Z", "step_seconds": 1})
    TapeWriter(run).finish()
    page = write_report(run).read_text("utf-8")
    assert "No prices were recorded." in page
    assert "No winner was closed in this run." in page
    assert "This run has not been scored." in page


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("score.json", "{}", "score.json: not as a run writes it; score the run again"),
        ("score.json", '{"facts": [{"id": 3}]}', "score.json: not as a run writes it"),
        ("case.toml", 'title = "A made-', "case.toml: not valid TOML: "),
        ("rulebook.toml", "[fees\n", "rulebook.toml: not valid TOML: "),
        ("case.toml", b"\xff\xfe", "case.toml: not UTF-8 text: "),
        ("run.json", '{"status": "complete"}', "run.json: start_utc: is missing; must be a time such as "),
        ("events.parquet", None, "events.parquet: missing, and the run recorded it"),
    ],
)
def test_a_damaged_run_has_no_report(
    run: RunFolder, tmp_path: Path, name: str, content: str | bytes | None, message: str
) -> None:
    """One message that names the file, never a page that looks whole."""
    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        write_report(copy)
    assert message in str(caught.value) and str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_traders_are_counted_among_traders(run: RunFolder, read: Elements) -> None:
    with Tape(run) as tape:
        (all_traders, hit), (_, loopers) = tape.rows(
            'select count(*), count(*) filter (liquidated > 0) from accounts where "group" in (0, 2) '
            'group by "group" order by "group"'
        )
    text = " ".join(read.text)
    assert f"{hit:,} of {all_traders:,} accounts of traders" in text
    assert f"{hit:,} of {all_traders:,} accounts of traders liquidated" in text
    assert f"{loopers:,} of " in text and "loopers" in text


def test_people_are_named_where_an_account_stands_for_many() -> None:
    rows = [
        Struck("trader", 3000, 510, 282_400),
        Struck("looper", 4000, 1228, 1228),
        Struck("noise", 9, 2, 2),
    ]
    assert in_words(rows) == (
        "510 of 3,000 accounts of traders (standing for 282,000 people), 1,228 of 4,000 accounts of loopers "
        "and 2 of 9 accounts of noise traders"
    )
    assert in_words([Struck("trader", 3000, 0, 0)]) == ""


def test_every_tile_of_the_tape_has_its_query(page: str) -> None:
    tiles = re.findall(r'<div class="tile">(.*?)</div>', page, re.DOTALL)
    bare = [tile for tile in tiles if "<details>" not in tile]
    assert len(tiles) == 10 and len(bare) == 1 and "predicted facts met" in bare[0]


LIMITED = {"backstop": {"kind": "fund", "net_position_limit_ppm": 1_000_000}}


def test_a_fund_that_may_hold_so_much_has_two_reasons() -> None:
    allocation = {"policy": "queue", "trigger": "fund-exhausted"}
    said = rulebook_sentences({**LIMITED, "allocation": allocation})[-1]
    assert "spent, or when a position would have it hold more than 100 % of its own equity, winners" in said
    assert "hold more" not in rulebook_sentences({"allocation": allocation})[-1]


def test_the_tape_tells_which_reason_bound(tmp_path: Path) -> None:
    """Two closes of 1,000 and 300 units; the fund could not have carried the second loser."""
    run = RunFolder.create(
        tmp_path / "run", {"start_utc": "2025-10-10T20:40:00Z", "settlement": {"decimals": 0}}
    )
    writer = TapeWriter(run)
    writer.instruments(LISTED)
    events = np.zeros(3, EVENT)
    events["kind"] = [EventKind.ADL_CLOSE, EventKind.FUND_EXHAUSTED, EventKind.ADL_CLOSE]
    events["time"], events["account"], events["counterparty"] = [1, 2, 2], [5, 8, 6], [7, 0, 8]
    events["price"], events["size"], events["amount"] = [100, 0, 100], [10, 0, 3], [-4, 0, -5]
    writer.events(events)
    writer.finish()
    with Tape(run) as tape:
        assert reasons_of(tape, LIMITED) == Reasons(1_000_000, 1000.0, 300.0)
        assert reasons_of(tape, {}) is None
    assert "gained $9" in write_report(run).read_text("utf-8")


def test_thinning_keeps_every_extreme() -> None:
    values = np.sin(np.arange(10_000) / 300.0)
    values[7321], values[55] = -9.0, 9.0
    values[100] = np.nan
    kept = thinned(values, 50)
    assert {0, 55, 7321, 9_999} <= set(kept.tolist())
    assert len(kept) <= 102
    assert thinned(values[:40], 50).tolist() == list(range(40))


def test_missing_values_become_null() -> None:
    assert page_values(np.array([1.23456789, np.nan, 0.0])) == [1.23457, None, 0.0]


@pytest.mark.parametrize(
    ("model", "table", "key"),
    [
        (Allocation, "allocation", "policy"),
        (Backstop, "backstop", "kind"),
        (Liquidation, "liquidation", "pacing"),
    ],
)
def test_every_mechanism_has_a_sentence(model: type, table: str, key: str) -> None:
    for value in get_args(model.model_fields[key].annotation):  # type: ignore[attr-defined]
        sentences = rulebook_sentences({table: {key: value}})
        assert len(sentences) == 1, value


NASTY_NAMES = (
    "<!--<script>",
    "</script><script>alert(1)</script>",
    "--><img src=x onerror=alert(1)>",
    "<![CDATA[",
    "\"'&amp;<b>",
    "${data}",
    "\\u003c/script>",
    "</SCRIPT >",
    "\u2028 line",
)


def tags_of(page: str) -> list[str]:
    elements = Elements()
    elements.feed(page)
    return [name for name, _ in elements.elements]


def page_of(word: str, folder: Path) -> str:
    """The report of a run whose instrument, case, rulebook and settings are called so."""
    names = [*NAMES]
    names[5] = word
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("support.synthetic_run.NAMES", names)
        run = make_synthetic_run(folder / "run", Sizes(steps=120, accounts=200))
    run.update(case=word, title=word, rulebook=word, settings={word: word})
    return write_report(run).read_text("utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of("PLAIN", tmp_path_factory.mktemp("plain"))


# All of them one after the other in the quick suite, each by itself in the nightly one: a page takes seconds.
# One that is taken for an element adds it, or hides what follows it.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(" ".join(NASTY_NAMES), id="all"),
        *(pytest.param(name, marks=pytest.mark.nightly) for name in NASTY_NAMES),
    ],
)
def test_no_name_is_taken_for_a_part_of_the_page(name: str, plain: str, tmp_path: Path) -> None:
    """An instrument's, a case's, a rulebook's: the page has the same elements, and its data the name."""
    page = page_of(name, tmp_path)
    assert tags_of(page) == tags_of(plain)
    for opening in ("<!--", "<script", "</script", "<![CDATA["):
        assert page.lower().count(opening.lower()) == plain.lower().count(opening.lower()), opening
    data = re.search(r'<script type="application/json" id="undertow-data">(.*?)</script>', page, re.DOTALL)
    assert data and name in json.loads(data[1])["instruments"]

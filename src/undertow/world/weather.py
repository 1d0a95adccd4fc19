"""Weather: what share of messages fails, and whether transfers work, from load and from recorded incidents.

    load      = (1 + c_r |r_1m| / sigma + c_m (messages / calm - 1) + c_l people per s) (1 + R p before)
    p         = max(0, 1 - capacity / load)
    latency   = tau (1 + rho / (1 - rho)) + queue, rho = load / capacity, at most 0.95 here
    queue     grows by (rho - 1) a second, up to queue_s, and shrinks as it grew

People are those whose liquidation begins. Load is in multiples of an ordinary hour; the queue is the work
that waits, in seconds. |r_1m| / sigma is the turnover-weighted mean over coins of the last minute's outside
move over its calm size. Retries feed back. Liquidations have their own lane: nothing here touches them.
Recorded incidents are windows with a failing share and a working share of transfers.

Source: crowd description, section 6. Units: seconds, shares of one. Invariant: with mode "none" nothing
fails; with "recorded" the weather is a function of time alone.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from undertow.exact import floats
from undertow.rulebook.limits import Bounded

LOAD_OF_ALL = 16_600.0  # if everybody's liquidation began in one second: 0.01 x 1.66 million people
BUSY = 0.95  # of capacity: from here on the queue is what makes a message late


class _Figures(Bounded):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Incident(_Figures):
    """A window in which something did not work, as recorded."""

    start_s: float = Field(ge=0, description="s since the start of the case")
    end_s: float = Field(gt=0, description="s since the start of the case, exclusive")
    failing: float = Field(0.0, ge=0, le=1, description="share of messages that fail")
    transfers: float = Field(1.0, ge=0, le=1, description="1: transfers work, 0: they are stalled")
    label: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_s <= self.start_s:
            raise ValueError(f"end_s is {self.end_s}; more than start_s ({self.start_s}) is needed")
        return self


class WeatherRules(_Figures):
    """The venue's machinery under load (section 6)."""

    mode: Literal["load", "recorded", "both", "none"] = Field("both", description="which part is at work")
    capacity: float = Field(
        12.0, gt=1, le=1e9, description="capacity over ordinary load (mu / lam_0; 6 to 30)"
    )
    per_move: float = Field(0.5, ge=0, description="load per calm sigma of the last minute (c_r; x/÷ 3)")
    per_message: float = Field(0.5, ge=0, description="load per ordinary message rate beyond one (own)")
    per_liquidation: float | None = Field(
        None,
        ge=0,
        description="load per person a second whose liquidation begins; none: 16,600 over all people "
        "(c_l, x/÷ 3, is per order: 0.01 where 1.66 million have a position)",
    )
    retries: float = Field(2.0, ge=0, description="retries per refusal (R; 0.5 to 10)")
    latency_s: float = Field(0.01, ge=0, description="s in calm, programs (tau_0)")
    queue_s: float = Field(3.0, ge=0, description="s; the oldest a waiting message gets (own; 1 to 10)")
    refusals: bool = Field(True, description="False: no message fails, whatever the load and the record")
    stalls: bool = Field(True, description="False: transfers always work")
    memory_s: float = Field(5.0, gt=0, description="s over which counts are averaged (own)")
    settling_s: float = Field(
        120.0, ge=0, description="s from which the ordinary message rate is learnt (own)"
    )
    incidents: tuple[Incident, ...] = Field((), description="recorded windows")


def per_liquidation(rules: WeatherRules, people: int) -> float:
    """Load per person a second whose liquidation begins: as stated, else the more the fewer people there are.

    An ordinary hour's load is that of all people, so one of few weighs more than one of many.
    """
    stated = rules.per_liquidation
    return LOAD_OF_ALL / max(people, 1) if stated is None else stated


class Sky(NamedTuple):
    """The weather of one step."""

    failure: float
    transfers: float
    latency_s: float


class Weather:
    """The state of the venue's machinery. `volatility` calm per root minute, `turnover` as weights."""

    def __init__(
        self,
        rules: WeatherRules,
        volatility: NDArray[np.float64],
        turnover: NDArray[np.float64],
        start_ticks: NDArray[np.float64],
        people: int,
        step_seconds: float = 1.0,
    ) -> None:
        self.rules, self.step_seconds = rules, step_seconds
        self._per_liquidation = per_liquidation(rules, people)
        self._volatility = volatility
        self._weights = turnover / max(float(turnover.sum()), 1e-12)
        self._ring = np.tile(np.asarray(start_ticks, np.float64), (max(1, round(60.0 / step_seconds)), 1))
        # Messages and people going into liquidation a second, ordinary messages a second, refused share,
        # load, move, queue.
        self._numbers = np.zeros(7)
        self._numbers[4] = 1.0
        self._step = np.zeros(1, np.int64)

    @property
    def load(self) -> float:
        """Load in multiples of an ordinary hour."""
        return float(self._numbers[4])

    def sky(self, time_s: float) -> Sky:
        """The weather now."""
        failure, transfers, used, queue_s = 0.0, 1.0, 0.0, 0.0
        if self.rules.mode in ("load", "both"):
            failure, queue_s = float(self._numbers[3]), float(self._numbers[6])
            used = min(self.load / self.rules.capacity, BUSY)
        if self.rules.mode in ("recorded", "both"):
            for incident in self.rules.incidents:
                if incident.start_s <= time_s < incident.end_s:
                    failure = 1.0 - (1.0 - failure) * (1.0 - incident.failing)
                    transfers = min(transfers, incident.transfers)
        failure = failure if self.rules.refusals else 0.0
        transfers = transfers if self.rules.stalls else 1.0
        return Sky(failure, transfers, self.rules.latency_s / (1.0 - used) + queue_s)

    def record(self, messages: int, liquidations: int, outside_ticks: NDArray[np.float64]) -> None:
        """Count a step: messages tried, people whose liquidation began, outside prices."""
        rules, numbers, seconds = self.rules, self._numbers, self.step_seconds
        step = int(self._step[0])
        share = float(-floats.expm1(-seconds / rules.memory_s))
        rate = messages / seconds
        if step == 0:
            numbers[0] = rate
        numbers[0] += (rate - numbers[0]) * share
        numbers[1] += (liquidations / seconds - numbers[1]) * share
        if step * seconds <= rules.settling_s:
            numbers[2] += (rate - numbers[2]) / (step + 1)
        place = step % len(self._ring)
        moves = np.abs(floats.log(outside_ticks / self._ring[place])) / self._volatility
        self._ring[place] = outside_ticks
        numbers[5] = float((moves * self._weights).sum())
        busier = (
            max(numbers[0] / max(numbers[2], 1e-9) - 1.0, 0.0) if step * seconds > rules.settling_s else 0.0
        )
        load = 1.0 + rules.per_move * numbers[5] + rules.per_message * busier
        again = rules.retries * numbers[3] if rules.refusals else 0.0  # what is not refused is not sent again
        load = (load + self._per_liquidation * numbers[1]) * (1.0 + again)
        numbers[4] = load
        numbers[3] += (max(0.0, 1.0 - rules.capacity / load) - numbers[3]) * share
        numbers[6] += (load / rules.capacity - 1.0) * seconds
        numbers[6] = min(max(numbers[6], 0.0), rules.queue_s)
        self._step[0] = step + 1

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"numbers": self._numbers, "ring": self._ring, "step": self._step}

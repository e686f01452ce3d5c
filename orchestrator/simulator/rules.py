"""The settings that a simulated fleet has, and how much goes wrong around it. All from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds, unless the name says otherwise."""

    lease: float = 30.0
    heartbeat: float = 5.0
    tick: float = 10.0
    idle: float = 120.0
    boot: float = 120.0
    stop: float = 55.0
    unshelve: float = 240.0
    shelve: float = 600.0
    call: float = 20.0
    max_uptime: float = 43_200.0
    keep_warm: int = 0
    nodes: int = 2
    controllers: int = 1
    beats: int = 1
    """How many schedulers there are; one is enough."""
    adaptive: bool = False
    """Whether the idle limit is learned."""
    budget: Decimal = Decimal(0)
    """For a day; 0: none."""
    at_once: int = 1
    """Calls to the cloud that a controller makes together."""
    kinds_differ: bool = False
    """Whether some nodes do one kind of job only."""
    reachable: bool = False
    """Whether workers can be restarted over SSH."""
    cloud_clock: float = 0.0
    """How far the cloud's clock is ahead of ours."""
    strangers: tuple[str, ...] = ()
    """Names of servers that have the fleet's tag and that nobody has enrolled."""

    @property
    def shortest_idle(self) -> float:
        return _ADAPTIVE[0] if self.adaptive else self.idle

    @property
    def longest_idle(self) -> float:
        return _ADAPTIVE[1] if self.adaptive else self.idle

    def environment(self) -> dict[str, str]:
        return {
            "FLEET_LEASE_SECONDS": str(self.lease),
            "FLEET_HEARTBEAT_SECONDS": str(self.heartbeat),
            "FLEET_TICK_SECONDS": str(self.tick),
            "FLEET_IDLE_MINUTES": str(self.idle / 60),
            "FLEET_BOOT_SECONDS": str(self.boot),
            "FLEET_STOP_SECONDS": str(self.stop),
            "FLEET_UNSHELVE_SECONDS": str(self.unshelve),
            "FLEET_SHELVE_SECONDS": str(self.shelve),
            "FLEET_CALL_SECONDS": str(self.call),
            "FLEET_MAX_UPTIME_HOURS": str(self.max_uptime / 3600),
            "FLEET_KEEP_WARM": str(self.keep_warm),
            "FLEET_IDLE_POLICY": "adaptive" if self.adaptive else "fixed",
            "FLEET_BUDGET_DAY": str(self.budget),
            "FLEET_PRICE_PER_HOUR": "82.76",
            "SITE_URL": "http://site.test",
        }


_ADAPTIVE = (120.0, 900.0)
"""Between these a learned idle limit lies."""


@dataclass(slots=True)
class Odds:
    """How likely each thing is, every time that it could happen."""

    kill_tick: float = 0.0
    pause_tick: float = 0.0
    turn: float = 0.0
    """That a process dies or stands still soon after it has changed something that matters."""
    kill_request: float = 0.0
    lose_request: float = 0.0
    lose_answer: float = 0.0
    double_request: float = 0.0
    lose_bell: float = 0.0
    cloud_refuses: float = 0.0
    """Before anything was done."""
    cloud_answer_lost: float = 0.0
    """After it was done."""
    cloud_slow: float = 0.0


def rules_of(rng: Random) -> Rules:
    """One installation of many."""
    heartbeat = rng.choice([5.0, 10.0])
    return Rules(
        lease=rng.choice([30.0, 45.0, 90.0]),
        heartbeat=heartbeat,
        tick=rng.choice([10.0, 10.0, 15.0, 20.0]),
        idle=rng.choice([60.0, 90.0, 150.0, 240.0]),
        boot=rng.choice([90.0, 150.0]),
        max_uptime=_max_uptime(rng),
        nodes=rng.choice([1, 2, 2, 3]),
        controllers=rng.choice([1, 2, 2]),
        beats=rng.choice([1, 1, 1, 2]),
        keep_warm=rng.choice([0] * 9 + [1]),
        adaptive=rng.random() < 0.1,
        budget=Decimal(rng.randint(15, 60)) if rng.random() < 0.15 else Decimal(0),
        at_once=rng.choice([1, 8]),
        kinds_differ=rng.random() < 0.3,
        reachable=rng.random() < 0.5,
        cloud_clock=rng.choice([0.0, 0.0, rng.uniform(-6.0, 6.0)]),
        strangers=rng.choice([(), (), (), ("somebody-elses",), _STRANGE]),
    )


_STRANGE = ("a", "x" * 120)


def _max_uptime(rng: Random) -> float:
    """Hours mostly; where it is minutes it is reached with jobs under way."""
    if rng.random() < 0.55:
        return 43_200.0
    return rng.uniform(900.0, 2400.0) if rng.random() < 0.5 else rng.uniform(240.0, 600.0)


def odds_of(rng: Random) -> Odds:
    """A quiet world, a bad one, or one in which one sort of thing goes wrong all the time."""
    mood = rng.random()
    if mood < 0.1:
        return Odds()
    scale = rng.choice([0.3, 1.0, 1.0, 3.0])
    odds = Odds(
        kill_tick=0.02 * scale,
        pause_tick=0.02 * scale,
        turn=0.06 * scale,
        kill_request=0.005 * scale,
        lose_request=0.02 * scale,
        lose_answer=0.02 * scale,
        double_request=0.02 * scale,
        lose_bell=0.1 * scale,
        cloud_refuses=0.02 * scale,
        cloud_answer_lost=0.05 * scale,
        cloud_slow=0.01 * scale,
    )
    if mood > 0.8:
        worst = rng.choice(["kill_tick", "pause_tick", "turn", "cloud_answer_lost", "kill_request"])
        setattr(odds, worst, 0.15)
    return odds

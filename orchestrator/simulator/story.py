"""One seed's history: who submits when, what goes wrong, and how it must end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from orchestrator.models import CloudOperation, LedgerEntry
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.rules import odds_of, rules_of
from orchestrator.simulator.servers import Fault
from orchestrator.simulator.stores import Place
from orchestrator.simulator.surroundings import Bells, surroundings
from orchestrator.simulator.worker import Fate, Host
from orchestrator.simulator.world import World
from orchestrator.states import Cause, CloudStatus, OperationKind, OperationOutcome

LEAST_JOBS = 20
LEAST_FAULTS = 10
LEAST_TICKS = 300

_FATES = (
    (Fate.WELL, 80),
    (Fate.FAILS_ONCE, 7),
    (Fate.FAILS, 4),
    (Fate.LESSON_AT_FAULT, 4),
    (Fate.POISON, 5),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a seed came to."""

    seed: int
    jobs: int
    faults: int
    ticks: int
    hours: float
    """Of virtual time."""
    seen: Counter[str]


def tell(seed: int, place: Place, *, least_ticks: int = LEAST_TICKS) -> Told:
    """Live through a seed. Raises Violation."""
    rng = Random(f"story {seed}")  # noqa: S311  # it has to be repeatable
    rules = rules_of(rng)
    if least_ticks < LEAST_TICKS:
        rules = replace(rules, idle=40.0, tick=20.0, heartbeat=10.0, nodes=min(2, rules.nodes))
    bells = Bells()
    with place.open(), surroundings(seed, rules, bells):
        world = World(rng, place, rules, odds_of(rng), bells)
        try:
            _live(world, least_ticks)
        finally:
            place.watch = None
        return Told(
            seed,
            len(world.work),
            world.faults,
            world.ticks,
            world.seconds / 3600,
            world.seen,
        )


def _live(world: World, least_ticks: int) -> None:
    world.pass_time(world.rules.lease + 3 * world.rules.tick)
    few = least_ticks < LEAST_TICKS
    while (
        not world.work
        or world.ticks < least_ticks * 0.4
        or (not few and (len(world.work) < LEAST_JOBS - 1 or world.faults < LEAST_FAULTS))
    ):
        _burst(world, few)
    world.settle()
    if not few:
        _one_quiet_round(world)
    world.until(lambda: world.ticks >= least_ticks or few, 3600.0)
    world.settle_the_bill()
    world.checks.in_the_end()


def _burst(world: World, few: bool) -> None:
    """Some jobs one after the other, things that go wrong meanwhile, and a pause after them."""
    rng = world.rng
    for _ in range(rng.randint(1, 2) if few else rng.randint(2, 9)):
        fate = rng.choices([f for f, _ in _FATES], [weight for _, weight in _FATES])[0]
        world.submit(fate, rng.choice([0, 0, 0, 5, 10]), rng.randint(1, 2 if few else 6))
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            world.after(rng.uniform(0, 200), _trouble(world))
        world.pass_time(rng.choice([0.5, 0.5, 3.0, 15.0, 60.0]))
    idle = world.rules.idle
    world.pass_time(
        rng.choice(
            [rng.uniform(20, 120), idle + rng.uniform(-15, 60), rng.uniform(200, 600), 1500.0]
        )
    )


def _one_quiet_round(world: World) -> None:
    """All is well: a job wakes a node, is done, and the node idles and is put to sleep again."""
    if world.gone() == len(world.hosts):
        return
    began = world.now()
    world.submit()
    world.settle()
    done = {
        row["kind"]
        for row in world.place.all(CloudOperation).values()
        if row["outcome"] == OperationOutcome.SUCCEEDED and row["intended_at"] >= began
    }
    causes = {
        row["cause"] for row in world.place.all(LedgerEntry).values() if row["started_at"] >= began
    }
    if done != set(OperationKind) or not causes >= {Cause.JOB, Cause.IDLE, Cause.SHELVING}:
        raise Violation(f"no whole round from sleep to sleep: {done} {causes}")


def _trouble(world: World) -> Callable[[], None]:
    """Something that goes wrong, or that somebody does, and how it ends again."""
    rng = world.rng
    choice = rng.choices([one for one, _ in _TROUBLES], [weight for _, weight in _TROUBLES])[0]
    host = rng.choice(list(world.hosts.values()))
    return lambda: None if world.checks.settling else choice(world, host)


def _server_fault(world: World, host: Host) -> None:
    world.fault(host.name, world.rng.choice(list(Fault)))


def _worker_dies(world: World, host: Host) -> None:
    world.kill_worker(host)


def _worker_hangs(world: World, host: Host) -> None:
    world.freeze_worker(host, world.rng.choice([10.0, 40.0, 120.0, 400.0]))


def _worker_deaf(world: World, host: Host) -> None:
    world.machines.deafen_worker(host)


def _line_cut(world: World, host: Host) -> None:
    world.faults += 1
    host.cut = True
    world.disturbed(f"{host.name}: cut off")

    def mended() -> None:
        host.cut = False
        world.disturbed(f"{host.name}: reached again")

    world.after(world.rng.choice([10.0, 60.0, 300.0]), mended)


def _away(what: str) -> Callable[[World, Host], None]:
    def act(world: World, _: Host) -> None:
        world.faults += 1
        _set_away(world, what, away=True)
        world.after(
            world.rng.choice([15.0, 60.0, 200.0, 500.0]), lambda: _set_away(world, what, away=False)
        )

    return act


def _set_away(world: World, what: str, *, away: bool) -> None:
    world.disturbed(f"the {what} is {'away' if away else 'back'}")
    match what:
        case "site":
            world.site_up = not away
        case "orchestrator":
            world.orchestrator_up = not away
        case "cloud":
            world.cloud_away = away
        case "capacity":
            world.cloud.capacity = 0 if away else len(world.hosts)
        case "quota":
            world.cloud.quota = away


def _operator(world: World, host: Host) -> None:
    world.order(host.name, world.rng.choice(["hold", "drain", "release"]))
    world.after(world.rng.uniform(60, 1800), lambda: world.order(host.name, "release"))


def _cancelled(world: World, _: Host) -> None:
    world.cancel(world.rng.randrange(100))


def _locked(world: World, host: Host) -> None:
    server = world.cloud.servers[host.server_id]
    server.locked = True
    world.disturbed(f"{host.name}: locked")

    def unlocked() -> None:
        server.locked = False
        world.disturbed(f"{host.name}: unlocked")

    world.after(world.rng.uniform(60, 600), unlocked)


def _meddled(world: World, host: Host) -> None:
    """Somebody else does something to the server."""
    server = world.cloud.servers[host.server_id]
    world.faults += 1
    cloud = world.cloud
    if server.status is CloudStatus.DELETED:
        return
    if server.task is None and server.status is CloudStatus.SHELVED_OFFLOADED:
        world.disturbed(f"{host.name}: somebody wakes it")
        cloud.begin_unshelve(server, foreign=True)
    elif server.task is None and server.status is CloudStatus.ACTIVE:
        choice = world.rng.choice(["stop", "shelve", "error"])
        world.disturbed(f"{host.name}: somebody has it {choice}")
        if choice == "stop":
            cloud.stop(server)
            world.after(world.rng.uniform(20, 300), lambda: cloud.start(server))
        elif choice == "shelve":
            cloud.begin_shelve(server, foreign=True)
        else:
            cloud.break_down(server)
            world.after(world.rng.uniform(60, 400), lambda: cloud.reset(server))


def _deleted(world: World, host: Host) -> None:
    """Never the last one, nor one that does what no other does."""
    alone = world.rules.kinds_differ and host.kinds == world.all_kinds
    if world.gone() < len(world.hosts) - 1 and not alone:
        world.faults += 1
        world.disturbed(f"{host.name}: deleted")
        world.cloud.delete(world.cloud.servers[host.server_id])


_TROUBLES: tuple[tuple[Callable[[World, Host], None], int], ...] = (
    (_server_fault, 40),
    (_worker_dies, 12),
    (_worker_hangs, 8),
    (_worker_deaf, 4),
    (_line_cut, 8),
    (_away("site"), 4),
    (_away("orchestrator"), 4),
    (_away("cloud"), 4),
    (_away("capacity"), 6),
    (_away("quota"), 3),
    (_operator, 6),
    (_cancelled, 6),
    (_locked, 3),
    (_meddled, 6),
    (_deleted, 1),
)

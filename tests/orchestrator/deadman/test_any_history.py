"""Whatever happens: random histories against what was true in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from gpu_node.contracts.pulse import NodePulse
from gpu_node.contracts.watch import Instant
from orchestrator.deadman.facts import RedisFacts, ServerFacts, Wake
from orchestrator.deadman.memory import Asked, Memory
from orchestrator.deadman.verdict import Decision, Rules, Verdict, look
from tests.orchestrator.deadman.values import SERVER, controller, node_pulse

# A maximum that a history of a few hours can reach.
RULES = Rules(max_uptime_seconds=3 * 3600.0)
LONGEST = RULES.max_uptime_seconds + 3600.0
WINDOW = 1800.0
LAST_WORD = 600.0
"""Three minutes, and the longest step of a history."""

EVENTS = (
    "tick",
    "controller dies",
    "controller lives",
    "node dies",
    "node lives",
    "job begins",
    "job ends",
    "redis away",
    "redis back",
    "flush",
    "restart",
    "cut off",
    "joined",
    "hold",
    "release",
    "lock",
    "unlock",
    "cloud clock lies",
    "cloud clock is right",
    "list away",
    "list back",
    "machine reboots",
    "memory lost",
)


@dataclass
class World:
    """What is true, and what the switch can see of it. Time is in seconds of the true clock."""

    time: float = 50_000.0
    boots: int = 0
    booted_at: float = 0.0
    controller_lives: bool = True
    controller_beat: int = 1
    controller_at: float = 50_000.0
    node_lives: bool = True
    node_beat: int = 0
    node_at: float = 50_000.0
    reaches_redis: bool = True
    job: bool = False
    job_at: float = -1e9
    """When it last had one."""
    redis_up: bool = True
    redis_since: float = 0.0
    """Since when it is up, and has forgotten nothing."""
    runs: int = 0
    stored_controller: int | None = 1
    stored_node: NodePulse | None = None
    server: ServerFacts = SERVER
    woken_at: float = 50_000.0
    cloud_clock: bool = True
    list_comes: bool = True
    memory: Memory | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        if self.controller_lives:
            self.controller_beat += 1
            self.controller_at = self.time
            if self.redis_up:
                self.stored_controller = self.controller_beat
        if self.job and self.node_lives:
            self.job_at = self.time
        if self.node_lives and self.reaches_redis:
            self.node_beat += 1
            self.node_at = self.time
            if self.redis_up:
                self.stored_node = node_pulse(self.node_beat, "job-1" if self.job else None)

    def happen(self, what: str) -> None:
        match what:
            case "controller dies" | "controller lives":
                self.controller_lives = what.endswith("lives")
            case "node dies" | "node lives":
                self.node_lives, self.job = what.endswith("lives"), False
            case "job begins":
                # The site hands out jobs, with or without a controller.
                self.job = self.node_lives
                self.job_at = self.time if self.job else self.job_at
            case "job ends":
                self.job = False
            case "redis away" | "redis back":
                if self.redis_up != what.endswith("back"):
                    self.redis_up, self.redis_since = not self.redis_up, self.time
            case "flush":
                self.stored_controller, self.stored_node = None, None
                self.redis_since = self.time
            case "restart":
                self.runs += 1
                self.redis_since = self.time
            case "cut off" | "joined":
                self.reaches_redis = what == "joined"
            case "hold" | "release":
                self.server = replace(self.server, held=what == "hold")
            case "lock" | "unlock":
                self.server = replace(self.server, locked=what == "lock")
            case "cloud clock lies" | "cloud clock is right":
                self.cloud_clock = what.endswith("right")
            case "list away" | "list back":
                self.list_comes = what.endswith("back")
            case "machine reboots":
                self.boots += 1
                self.booted_at = self.time
            case "memory lost":
                self.memory = None

    def redis(self) -> RedisFacts | None:
        if not self.redis_up:
            return None
        return RedisFacts(
            run_id=f"run-{self.runs}",
            # Its machine's clock may be set: it is never believed on its own.
            uptime_seconds=1e6,
            controller=controller(self.stored_controller) if self.stored_controller else None,
            nodes={"gpu-1": self.stored_node} if self.stored_node else {},
        )

    def look(self) -> Verdict:
        ago = self.time - self.woken_at if self.cloud_clock else None
        wake = Wake("req-1", ago) if self.list_comes else None
        self.server = replace(self.server, wake=wake)
        now = Instant(f"boot-{self.boots}", self.time - self.booted_at)
        found = look([self.server], self.redis(), self.memory, now, RULES)
        self.memory = found.memory
        self.verdicts.append(found.verdicts["server-1"])
        return self.verdicts[-1]

    def note_asked(self) -> None:
        assert self.memory is not None
        one = self.memory.servers["server-1"]
        at = self.memory.looked
        asked = Asked(first_at=at, last_at=at, times=1)
        self.memory = self.memory.model_copy(
            update={"servers": {"server-1": one.model_copy(update={"asked": asked})}}
        )


histories = st.lists(
    st.tuples(
        st.sampled_from(EVENTS) | st.just("tick"),
        st.sampled_from([60.0, 60.0, 60.0, 60.0, 200.0, 400.0]),
        st.integers(min_value=1, max_value=40),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(histories, st.booleans())
def test_it_shelves_only_what_it_may(
    history: list[tuple[str, float, int]], controlled: bool
) -> None:
    world = World(controller_lives=controlled)
    for what, step, times in history:
        world.happen(what)
        for _ in range(times):
            world.pass_time(step)
            if world.look().decision is not Decision.SHELVE:
                continue
            check_that_it_may(world)
            world.note_asked()


def check_that_it_may(world: World) -> None:
    assert not world.server.held
    assert world.server.locked is False
    assert world.list_comes
    if world.time - world.woken_at > LONGEST:
        event("for its uptime")
        return
    event("for being abandoned")
    assert not world.controller_lives
    assert world.time - world.controller_at >= WINDOW
    assert world.redis_up
    assert world.time - world.redis_since >= WINDOW
    # Nor is a last word believed for long, after which a node that is cut off may find work.
    assert world.time - world.node_at <= LAST_WORD
    assert min(world.time, world.node_at) - world.job_at >= WINDOW or not world.reaches_redis


@settings(max_examples=100, deadline=None)
@given(histories)
def test_an_abandoned_server_is_shelved_after_any_past(
    history: list[tuple[str, float, int]],
) -> None:
    world = World()
    for what, step, times in history:
        world.happen(what)
        for _ in range(times):
            world.pass_time(step)
            world.look()
    for what in ("redis back", "joined", "node lives", "controller lives", "release", "unlock"):
        world.happen(what)
    world.happen("list back")
    world.pass_time(60.0)
    world.look()
    world.happen("controller dies")
    decisions = []
    for _ in range(40):
        world.pass_time(60.0)
        decisions.append(world.look().decision)
    assert Decision.SHELVE in decisions


@settings(max_examples=100, deadline=None)
@given(histories)
def test_a_verdict_of_sleep_stays_while_nothing_changes(
    history: list[tuple[str, float, int]],
) -> None:
    world = World()
    for what, step, times in history:
        world.happen(what)
        for _ in range(times):
            world.pass_time(step)
            world.look()
    if world.look().decision is not Decision.SHELVE:
        return
    if not world.node_lives and "controller" in world.verdicts[-1].why:
        return  # its pulse falls silent by and by, and nobody knows then what it is at
    event("asleep")
    for _ in range(10):
        world.pass_time(60.0)
        if world.controller_lives and world.verdicts[-1].why.startswith("no controller"):
            return
        assert world.look().decision is Decision.SHELVE


@given(
    st.floats(min_value=0, max_value=1e7),
    st.floats(min_value=0, max_value=1e7),
    st.booleans(),
)
def test_more_uptime_never_means_less_sleep(one: float, other: float, busy: bool) -> None:
    def decides(seconds: float) -> bool:
        server = replace(SERVER, wake=Wake("req-1", seconds))
        said = RedisFacts("run-1", 1e6, controller(1), {"gpu-1": node_pulse(1, "j" * busy or None)})
        found = look([server], said, None, Instant("boot", 1.0), RULES)
        return found.verdicts["server-1"].decision is Decision.SHELVE

    assert decides(min(one, other)) <= decides(max(one, other))

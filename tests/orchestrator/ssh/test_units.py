"""Commands are one of a list, and no name gets a meaning in a shell."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ssh import units
from orchestrator.ssh.units import ActiveState, UnitState

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,20}\.service", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=4), st.integers(1, 10_000))
def test_a_shell_reads_each_command_as_the_words_it_was_made_of(
    chosen: list[str], lines: int
) -> None:
    for command in units.allowed(chosen, lines):
        assert shlex.join(shlex.split(command, comments=True)) == command
        assert "\n" not in command


@given(st.text())
def test_a_name_that_is_no_service_never_gets_into_a_command(name: str) -> None:
    if units.is_unit(name):
        assert shlex.quote(name) == name
        return
    with pytest.raises(ValueError):
        units.show([name])
    with pytest.raises(ValueError):
        units.restart(name)
    with pytest.raises(ValueError):
        units.journal(name, 5)


@pytest.mark.parametrize(
    "name", ["-x.service", "a b.service", "a.service\n", "a;b.service", "a", "a.timer", "é.service"]
)
def test_what_is_no_service(name: str) -> None:
    assert not units.is_unit(name)


states = st.builds(
    UnitState,
    loaded=st.booleans(),
    active=st.sampled_from(ActiveState),
    sub=st.from_regex(r"[a-z-]{1,12}", fullmatch=True),
    restarts=st.integers(0, 10**6),
)


@given(st.dictionaries(names, states, min_size=1, max_size=4))
def test_what_systemctl_says_is_what_is_understood(stand: dict[str, UnitState]) -> None:
    said = "\n\n".join(
        f"Id={unit}\nLoadState={'loaded' if state.loaded else 'not-found'}\n"
        f"ActiveState={state.active}\nSubState={state.sub}\nNRestarts={state.restarts}"
        for unit, state in stand.items()
    )
    assert units.parse(f"{said}\n", list(stand)) == stand


@given(st.text(max_size=300))
def test_nonsense_is_said_to_be_nonsense(said: str) -> None:
    with pytest.raises(units.NotUnderstood):
        units.parse(said, ["a.service", "b.service"])


@pytest.mark.parametrize("which", ["commands", "sudoers"])
def test_the_lists_can_be_printed_for_whoever_sets_up_a_node(which: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.ssh", which],
        env={"FLEET_SSH_UNITS": "a.service", "FLEET_SSH_USER": "ops", "FLEET_SSH_LOG_LINES": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {
        "commands": units.allowed(["a.service"], 7),
        "sudoers": units.sudoers("ops", ["a.service"]),
    }
    assert tuple(done.stdout.splitlines()) == expected[which]


def test_sudo_allows_what_is_sent() -> None:
    """`sudo -n systemctl …`, found by sudo at this path on Debian and Ubuntu."""
    (line,) = units.sudoers("ubuntu", ["a.service"])
    granted = line.removeprefix("ubuntu ALL=(root) NOPASSWD: /usr/bin/")
    assert units.restart("a.service") == f"sudo -n {granted}"

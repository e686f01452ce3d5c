"""What is written for supervisord is what supervisord reads."""

from __future__ import annotations

import shlex
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from campus.standalone.errors import StandaloneError
from campus.standalone.processes import Process
from campus.standalone.supervisord import config, quoted

ODD = '/srv/Мой 100% ;site #1 it\'s "here" %(ENV_HOME)s/bin/python'
PROCESSES = (
    Process("redis", ("--", "redis-server", "run/redis.conf")),
    Process("web", ("-m", "gunicorn", "--bind", "127.0.0.1:8000"), stop_seconds=8, tier=1),
    Process("worker", ("-m", "celery", "-n", "orchestrator@%h"), tier=1),
)


def read_back(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ServerOptions:
    """The configuration as supervisord itself understands it."""
    (folder / "run").mkdir(exist_ok=True)
    (folder / "log").mkdir(exist_ok=True)
    (folder / "supervisord.conf").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    options = ServerOptions()
    options.realize(["-c", "supervisord.conf"])
    return options


def test_every_program_is_read_as_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = read_back(config(PROCESSES, "log", ODD), tmp_path, monkeypatch)
    programs = {
        one.name: one for group in options.process_group_configs for one in group.process_configs
    }
    for process in PROCESSES:
        read = programs[process.name]
        wanted = [ODD, "-m", "orchestrator.parent_death", *process.command]
        assert shlex.split(read.command) == wanted
        assert read.stopwaitsecs == process.stop_seconds
        assert read.stopsignal == process.stop_signal
        assert read.stdout_logfile == f"log/{process.name}.log"
        assert (read.redirect_stderr, read.killasgroup, read.stopasgroup) == (True, True, False)
        assert read.startretries > 10**6


def test_the_groups_stop_last_tier_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read_back(config(PROCESSES, "log", "python"), tmp_path, monkeypatch)
    groups = sorted(options.process_group_configs, key=lambda group: group.priority)
    assert [[one.name for one in group.process_configs] for group in groups] == [
        ["redis"],
        ["web", "worker"],
    ]


@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
            | st.sampled_from(string.punctuation + " "),
            min_size=1,
        ),
        min_size=1,
    )
)
def test_any_command_survives_the_parser(words: list[str]) -> None:
    line = quoted(words)
    # As configparser cuts comments off, and supervisord splits what is left.
    assert not any(
        mark in line[at] and line[at - 1].isspace() for mark in ";#" for at in range(1, len(line))
    )
    assert not line.startswith((";", "#"))
    assert shlex.split(line) == words


def test_a_line_break_in_a_folders_name_is_refused() -> None:
    with pytest.raises(StandaloneError, match="line break"):
        quoted(["/srv/a\nb/python"])

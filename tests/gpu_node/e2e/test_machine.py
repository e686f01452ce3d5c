"""A machine that lets the program down: disks, rights, and programs that are not there."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gpu_node.e2e import checks
from tests.gpu_node.e2e.conftest import Given
from tests.gpu_node.e2e.desk import Argument, Desk, Listing, listing, require_refusal
from tests.gpu_node.e2e.subtitles import ENGLISH

MACHINE = 5
USAGE = 2
FULL = "disk is full"

_BALLAST = "ballast"
# $1 is a folder, $2 its size, $3 how much of that is taken already, $4 a file to list it in; the
# rest is the command.
_ON_A_SMALL_DISK = f"""
mount -t tmpfs -o "size=$2" tmpfs "$1" && head -c "$3" /dev/zero > "$1/{_BALLAST}" || exit 99
here=$1 list=$4
shift 4
"$@"
code=$?
find "$here" -mindepth 1 -not -name {_BALLAST} > "$list"
exit $code
"""
_READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99
shift
"$@"
"""
# $1 is the desk, of which only two folders stay writable.
_READ_ONLY_AROUND = """
for one in out cache; do mount --bind "$1/$one" "$1/$one" || exit 99; done
for one in /tmp /var/tmp /usr/tmp "$1"; do
    [ -d "$one" ] || continue
    mount --rbind "$one" "$one" && mount -o remount,bind,ro "$one" || exit 99
done
cd "$1"
shift
"$@"
"""


@pytest.fixture
def speech() -> Mapping[str, str]:
    """A service of the dub's own: it has to bear with the same machine."""
    return {}


@functools.cache
def mounting() -> tuple[str, ...]:
    """A command that runs another where it may mount; empty where nobody lets us."""
    for words in (("unshare", "-rm"), ("unshare", "-m")):
        trial = [*words, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
        try:
            if subprocess.run(trial, capture_output=True, timeout=30, check=False).returncode == 0:
                return words
        except FileNotFoundError:
            break
    return ()


@dataclass(frozen=True)
class SmallDisk:
    """Makes one folder of a desk a disk of `size` bytes, `taken` of them in use.

    Where nothing may be mounted, no file of the command may grow beyond that size instead.
    """

    desk: Desk
    folder: Path
    size: int
    taken: int = 0

    @property
    def listed(self) -> Path:
        return self.desk.root.parent / "listed"

    def __enter__(self) -> SmallDisk:
        if mounting():
            place = (str(self.folder), str(self.size), str(self.taken), str(self.listed))
            self.desk.prefix = (*mounting(), "sh", "-c", _ON_A_SMALL_DISK, "sh", *place)
        else:
            self.desk.prefix = ("prlimit", f"--fsize={self.size - self.taken}")
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.prefix = ()

    def left(self) -> list[str]:
        """What was on the disk at the end."""
        if self.listed.exists():
            return self.listed.read_text().split("\n")[:-1]
        return list(listing(self.folder))

    def refuses(self, given: Given, *options: Argument) -> None:
        """The command has to be stopped by it, and to say why."""
        code, says = (MACHINE, FULL) if mounting() else (None, "^(?!.*mistake)")
        before = self._elsewhere()
        require_refusal(self.desk.dub(given.lesson, *given.options, *options), code=code, says=says)
        assert self._elsewhere() == before
        assert self.desk.survivors() == []

    def _elsewhere(self) -> Listing:
        name = self.folder.relative_to(self.desk.root)
        return {k: v for k, v in self.desk.listing().items() if not k.startswith(f"{name}/")}


def test_disk_full_in_the_cache(given: Given) -> None:
    with SmallDisk(given.desk, given.desk.cache, 300_000) as disk:
        disk.refuses(given)
    assert [name for name in disk.left() if not name.endswith("dubfleet")] == []


def test_disk_full_from_the_beginning(given: Given) -> None:
    """Nothing at all can be written."""
    with SmallDisk(given.desk, given.desk.cache, 8_192, taken=8_192) as disk:
        disk.refuses(given)
    assert [name for name in disk.left() if not name.endswith("dubfleet")] == []


@pytest.mark.parametrize("size", [300_000, 1_000_000, 2_000_000, 4_000_000])
def test_disk_full_in_the_work_folder(given: Given, size: int) -> None:
    """Wherever it happens. A folder of the user's own may keep what a next run can use."""
    work = given.desk.root / "work"
    work.mkdir()
    with SmallDisk(given.desk, work, size) as disk:
        disk.refuses(given, "--work", work)
    assert [name for name in disk.left() if "scratch/" in name] == []


@pytest.mark.parametrize("size", [4_096, 300_000])
def test_disk_full_where_the_dub_goes(given: Given, size: int) -> None:
    with SmallDisk(given.desk, given.desk.out, size) as disk:
        disk.refuses(given)
    assert disk.left() == []


def test_disk_full_at_the_report(given: Given) -> None:
    """The dub itself would fit; but it comes with all its files or not at all."""
    reports = given.desk.root / "reports"
    reports.mkdir()
    with SmallDisk(given.desk, reports, 8_192, taken=8_192) as disk:
        disk.refuses(given, "--report", reports / "report.json")
    assert disk.left() == []


def test_a_full_disk_can_be_tried_again(given: Given) -> None:
    """What the first try finished is not done again, and the dub is right."""
    with SmallDisk(given.desk, given.desk.out, 4_096) as disk:
        disk.refuses(given)
    given.desk.done(given.lesson, *given.options)
    checks.require_lines_on_time(given.desk.output)


def test_read_only_output_folder(given: Given) -> None:
    desk, output = given.desk, given.desk.output
    if mounting():
        desk.prefix = (*mounting(), "sh", "-c", _READ_ONLY, "sh", str(desk.out))
    elif os.geteuid():
        desk.out.chmod(0o555)
    else:
        # Modes say nothing to root, but this folder does.
        output = Path("/sys/dub.mp4")
    desk.refused(
        given.lesson, *given.options, output=output, code=MACHINE, says="cannot be written to"
    )


def test_no_folder_for_temporary_files(given: Given) -> None:
    """As in a container whose root is read-only: there is a cache, and a place for the dub."""
    desk = given.desk
    desk.environment["TMPDIR"] = "/proc/nothing"
    if mounting():
        desk.prefix = (*mounting(), "sh", "-c", _READ_ONLY_AROUND, "sh", str(desk.root))
    desk.done(given.lesson, *given.options)


@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_output_where_nobody_may_write(given: Given, folder: str) -> None:
    output = Path(folder) / "dub.mp4"
    given.desk.refused(
        given.lesson, *given.options, output=output, code=MACHINE, says="cannot be written to"
    )


@pytest.mark.parametrize("folder", ["/proc", "/sys", "/proc/nothing/work"])
def test_work_folder_where_nobody_may_write(given: Given, folder: str) -> None:
    given.desk.refused(
        given.lesson, "--work", folder, *given.options, code=MACHINE, says="--work|work folder"
    )


def test_a_file_where_the_work_folder_should_be(given: Given) -> None:
    options = ("--work", given.subtitles, *given.options)
    given.desk.refused(given.lesson, *options, code=MACHINE, says="--work|work folder")


# --- Programs


def path_without(desk: Desk, *missing: str) -> None:
    """A PATH with everything on it but these."""
    folder = desk.root.parent / "bin"
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in sorted(Path(place).glob("*")) if Path(place).is_dir() else ():
            if not any(program.name.startswith(name) for name in missing):
                link = folder / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    assert shutil.which("sh", path=str(folder)) is not None
    desk.environment["PATH"] = str(folder)


@pytest.mark.parametrize("missing", [("ffmpeg", "ffprobe"), ("ffmpeg",), ("ffprobe",)])
def test_ffmpeg_missing(given: Given, missing: tuple[str, ...]) -> None:
    path_without(given.desk, *missing)
    given.desk.refused(
        given.lesson, *given.options, code=MACHINE, says="FFmpeg is not installed.*package ffmpeg"
    )


def test_espeak_missing(given: Given) -> None:
    path_without(given.desk, "espeak")
    given.desk.refused(
        given.lesson, *given.options, code=MACHINE, says="eSpeak NG is not installed.*espeak-ng"
    )


def test_apertium_missing(given: Given) -> None:
    """Its data may well be there all the same."""
    path_without(given.desk, "apertium", "lt-")
    options = ("--subtitles", given.subtitles)
    given.desk.refused(
        given.lesson, *options, code=MACHINE, says="Apertium is not installed.*apertium"
    )


def test_a_translator_that_fails_on_every_line(given: Given) -> None:
    """Each line is told, and its original stays: there may be more lessons than this one."""
    desk = given.desk
    path_without(desk, "lt-proc")
    broken = desk.root.parent / "bin" / "lt-proc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    outcome = desk.dub(given.lesson, "--subtitles", given.subtitles)
    assert outcome.code == 0, outcome
    told = outcome.stderr.splitlines()
    assert [line.partition(" the original is left: ")[0] for line in told] == [
        f"dub: at {line.start} s" for line in ENGLISH
    ]


def test_no_pair_of_languages_installed(given: Given) -> None:
    nothing = given.desk.root / "nothing"
    nothing.mkdir()
    given.desk.environment["APERTIUM_DATADIR"] = str(nothing)
    given.desk.refused(
        given.lesson,
        *("--subtitles", given.subtitles),
        code=USAGE,
        says="English to Spanish cannot be translated here.*--target-subtitles",
    )


def test_apertium_is_not_needed_for_a_given_translation(given: Given) -> None:
    path_without(given.desk, "apertium", "lt-")
    given.desk.environment["APERTIUM_DATADIR"] = str(given.desk.home)
    given.desk.done(given.lesson, *given.options)


# --- What is left on a machine where it never ran before


@pytest.fixture
def fresh(given: Given) -> Given:
    (given.desk.cache / "dubfleet").rmdir()
    return given


def test_the_first_dub_leaves_only_the_dub(fresh: Given) -> None:
    before = fresh.desk.listing()
    fresh.desk.done(fresh.lesson, *fresh.options)
    assert new(before, fresh.desk.listing()) == ["out/dub.en.vtt", "out/dub.es.vtt", "out/dub.mp4"]


def test_the_first_refusal_leaves_nothing(fresh: Given) -> None:
    broken = fresh.desk.put("broken.srt", "")
    fresh.desk.refused(fresh.lesson, "--subtitles", broken, code=3, says="no subtitles")


def new(before: Listing, after: Listing) -> list[str]:
    return sorted(after.keys() - before.keys())


def test_two_dubs_of_one_lesson_at_once(given: Given) -> None:
    """The second is told, and harms neither the first nor its work."""
    desk = given.desk
    first = desk.start(given.lesson, *given.options)
    desk.wait_for(lambda: list((desk.cache / "dubfleet").glob("*/lock")), first)
    second = desk.dub(given.lesson, *given.options, output=desk.out / "second.mp4")
    require_refusal(second, code=6, says="Another process")
    assert first.wait(60) == 0
    first.communicate()
    checks.require_lines_on_time(desk.output)
    assert not (desk.out / "second.mp4").exists()

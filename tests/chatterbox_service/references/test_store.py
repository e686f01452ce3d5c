"""References on disk: by content, within a bound, never half, never taken from under anybody."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import MOST_BYTES, Limits, Reference, check
from chatterbox_service.references.store import Store, StoreUnusable, is_key
from tests.chatterbox_service.references import making
from tests.chatterbox_service.references.making import whole

AMPLE = 100 * MOST_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def recording(folder: Path, start: float = 0.0, seconds: float = 3.0) -> Path:
    """Another recording for another start."""
    first = round(start * making.RATE)
    said = making.spoken(start + seconds)[first:]
    return making.save(folder / f"recording-{start:g}-{seconds:g}.wav", said)


# Adding and getting.


def test_what_was_added_is_there(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    source = recording(tmp_path)
    before = source.read_bytes()
    reference = store.add(source)
    path = store.get(reference.key)
    assert path is not None
    assert path.read_bytes() == reference.wav == check(source, Limits()).wav
    assert making.held(folder) == {path.name}
    assert source.read_bytes() == before
    assert store.size == path.stat().st_size


def test_it_is_for_this_user_alone(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    path = store.get(store.add(recording(tmp_path)).key)
    assert path is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_sound_twice_is_kept_once(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    source = recording(tmp_path)
    again = making.save(tmp_path / "x.flac", soundfile.read(source)[0], form="FLAC")
    assert store.add(source).key == store.add(again).key
    assert len(store) == 1
    assert store.size == sum(path.stat().st_size for path in folder.iterdir())


def test_a_refused_recording_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    with pytest.raises(Problem) as raised:
        store.add(recording(tmp_path, seconds=0.1))
    assert raised.value.code is Code.REFERENCE_INVALID
    assert making.held(folder) == set()


def test_its_own_limits_hold(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE, Limits(least_seconds=5.1))
    with pytest.raises(Problem, match="clean speech"):
        store.add(recording(tmp_path, seconds=5.0))


# Keys.


@given(st.one_of(st.text(), st.text("0123456789abcdef/.\n", min_size=60, max_size=70)))
def test_only_sixty_four_digits_are_a_key(text: str) -> None:
    wanted = len(text) == 64 and set(text) <= set("0123456789abcdef")
    assert is_key(text) == wanted


@given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_every_hash_is_a_key(text: str) -> None:
    assert is_key(text)
    assert not is_key(text + "\n")
    assert not is_key(text[1:] + "g")


@pytest.mark.parametrize(
    "key", ["", "..", "../store/x", "0" * 63, "0" * 64, "0" * 64 + "\0", "A" * 64]
)
def test_keys_that_are_not_kept(tmp_path: Path, folder: Path, key: str) -> None:
    store = Store(folder, AMPLE)
    (tmp_path / "x.wav").touch()
    assert store.get(key) is None
    with pytest.raises(Problem) as raised, store.using(key):
        pytest.fail("there is no such reference")
    assert raised.value.code is Code.VOICE_UNKNOWN
    assert raised.value.status == 404


def test_a_reference_with_a_key_that_is_none(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    forged = Reference("../forged", 5.0, 5.0, 0.0, making.RATE, b"RIFF")
    with pytest.raises(ValueError, match="no key"), store.keeping(forged):
        pytest.fail("that is no key")
    assert making.held(tmp_path) == {"store"}
    assert making.held(folder) == set()


# Room.


def keep(store: Store, n: int) -> str:
    with store.keeping(whole(n)) as reference:
        return reference.key


def test_who_was_used_least_recently_goes_first(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, 2 * MOST_BYTES)
    first, second = (keep(store, n) for n in range(2))
    assert store.get(first)
    third = keep(store, 2)
    assert store.get(second) is None
    assert making.held(folder) == {f"{first}.wav", f"{third}.wav"}
    assert store.size == 2 * MOST_BYTES


def test_nobody_in_use_goes(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, 2 * MOST_BYTES)
    first, second = (keep(store, n) for n in range(2))
    with store.using(first) as path, store.using(first):
        third = keep(store, 2)
        assert path.is_file()
        assert store.get(second) is None
        with store.using(third), pytest.raises(Problem) as raised:
            keep(store, 3)
        assert raised.value.code is Code.BUSY
        assert raised.value.retry_after
        assert making.held(folder) == {f"{first}.wav", f"{third}.wav"}
    # Once nobody needs it any more, it may go.
    keep(store, 3)
    assert len(store) == 2


def test_what_is_just_being_added_stays(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, MOST_BYTES)
    with store.keeping(whole(0)) as reference:
        with pytest.raises(Problem):
            keep(store, 1)
        assert store.get(reference.key)
    keep(store, 1)
    assert store.get(reference.key) is None


def test_a_file_that_somebody_removed(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    key = store.add(recording(tmp_path)).key
    with store.using(key) as path:
        path.unlink()
        assert store.get(key) is None
        assert (store.size, len(store)) == (0, 0)
        assert store.add(recording(tmp_path)).key == key
        assert path.is_file()
    with store.using(key):
        pass
    assert store.size == path.stat().st_size


# From one process to the next.


def test_references_outlive_the_process(tmp_path: Path, folder: Path) -> None:
    key = Store(folder, AMPLE).add(recording(tmp_path)).key
    again = Store(folder, AMPLE)
    path = again.get(key)
    assert path is not None
    assert again.size == path.stat().st_size


def test_so_does_the_order_of_their_use(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, 3 * MOST_BYTES)
    keys = [keep(store, n) for n in range(3)]
    # The clock of a file system may stand still for some milliseconds.
    for age, key in enumerate(keys):
        os.utime(folder / f"{key}.wav", (1_000 + age, 1_000 + age))
    assert store.get(keys[0])
    again = Store(folder, 2 * MOST_BYTES)
    assert again.get(keys[0])
    assert again.get(keys[1]) is None
    assert again.get(keys[2])


def test_what_was_half_written_is_removed(tmp_path: Path, folder: Path) -> None:
    """The other process is killed between writing and renaming."""
    source = recording(tmp_path)
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from chatterbox_service.references.store import Store\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(Path(sys.argv[1]), 10**8).add(Path(sys.argv[2]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(source)],
        capture_output=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(making.held(folder)) == 1
    store = Store(folder, AMPLE)
    assert making.held(folder) == set()
    assert len(store) == 0


def test_a_damaged_file_is_not_given_out(tmp_path: Path, folder: Path) -> None:
    key = Store(folder, AMPLE).add(recording(tmp_path)).key
    path = folder / f"{key}.wav"
    content = bytearray(path.read_bytes())
    content[5_000] ^= 1
    path.write_bytes(content)
    store = Store(folder, AMPLE)
    assert store.get(key) is None
    assert making.held(folder) == set()


def test_what_is_too_short_for_the_engine_of_today_is_unknown(tmp_path: Path, folder: Path) -> None:
    store = Store(folder, AMPLE)
    short, long = (store.add(recording(tmp_path, seconds=n)).key for n in (3.0, 6.0))
    turbo = Store(folder, AMPLE, Limits(least_seconds=5.1))
    assert turbo.get(short) is None
    assert turbo.get(long)


def test_what_is_not_ours_is_left_alone(tmp_path: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "notes.wav").write_text("mine")
    (folder / ("0" * 64 + ".txt")).write_text("mine")
    (folder / ("1" * 64 + ".wav")).symlink_to(recording(tmp_path))
    (folder / ("2" * 64 + ".wav")).mkdir()
    before = making.held(folder)
    store = Store(folder, MOST_BYTES)
    assert len(store) == 0
    assert store.get("1" * 64) is None
    for n in range(2):
        keep(store, n)
    assert before < making.held(folder)
    assert len(making.held(folder)) == len(before) + 1


def test_a_folder_that_others_may_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StoreUnusable, match="nobody else may write"):
        Store(tmp_path, AMPLE)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o777


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="cannot be used"):
        Store(tmp_path / "file", AMPLE)


def test_a_bound_that_not_one_fits_into(folder: Path) -> None:
    with pytest.raises(StoreUnusable, match="at least 1440044 bytes"):
        Store(folder, MOST_BYTES - 1)

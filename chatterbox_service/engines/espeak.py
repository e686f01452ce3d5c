"""eSpeak NG: a process for each line (GPL: never linked in). A robot's voice, and a real one."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import soundfile
import soxr

from chatterbox_service.ports import EngineFault, Language, Line, Samples, Stop, Take, Voice

_RATE = 24_000
_WORDS_PER_MINUTE = 150
"""eSpeak's own default is 175; a robot is easier to follow at a teacher's pace."""
_TIMEOUT = 60.0
_NICE = 5
_LOOK_SECONDS = 0.05

# "[[" begins phonemes; control characters can begin commands.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|\[\[|\]\]")
_DOES_FOR = re.compile(r"\((\S+) (\d+)\)")
_ALIASES = {"zh": "cmn"}
"""eSpeak files Mandarin under its own name."""


class EspeakEngine:
    """An Engine. `most_together` lines are spoken beside each other, a process each."""

    name = "espeak"
    sample_rate = _RATE
    clones = False
    watermarked = False

    def __init__(self, most_together: int | None = None) -> None:
        self.most_together = most_together or min(4, os.cpu_count() or 1)
        self.budget = 1_000_000
        self.version = ""
        self._voices: Mapping[str, str] = {}
        self._pool = ThreadPoolExecutor(self.most_together, thread_name_prefix="espeak")

    def load(self) -> None:
        said = _run(["--version"]).stdout.decode("utf-8", "replace")
        found = re.search(r"\d+(\.\d+)+\S*", said)
        self.version = found[0] if found else "unknown"
        listed = _run(["--voices"]).stdout.decode("utf-8", "replace")
        self._voices = voices_by_language(listed)
        if not self._voices:
            raise EngineFault("eSpeak NG lists no voices: install the package espeak-ng again.")

    def languages(self) -> Mapping[str, Language]:
        return {code: Language(code) for code in self._voices}

    def size(self, line: Line) -> int:
        return min(len(line.text), self.budget)

    def prepare(self, key: str, reference: Path, exaggeration: float) -> Voice:  # noqa: ARG002  # the port's
        return Voice(key, exaggeration, prepared=None)

    def speak(self, lines: Sequence[Line], stop: Stop) -> Iterator[Take]:
        given_up = threading.Event()
        running: dict[Future[Samples], int] = {
            self._pool.submit(self._one, line, given_up): at for at, line in enumerate(lines)
        }
        try:
            while running and not stop():
                done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    yield _take(running.pop(future), future)
        finally:
            given_up.set()
            for future in running:
                future.cancel()

    def device(self) -> str:
        return "cpu"

    def memory_used(self) -> int:
        return 0

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, line: Line, given_up: threading.Event) -> Samples:
        text = _CONTROL.sub(" ", line.text)
        voice = self._voices[line.language]
        with tempfile.TemporaryFile() as out:
            options = ["-v", voice, "-s", str(_WORDS_PER_MINUTE), "-b", "1", "--stdin", "--stdout"]
            _run(options, text.encode("utf-8", "replace"), out.fileno(), given_up)
            out.seek(0)
            return _read(out.read())


def voices_by_language(listed: str) -> dict[str, str]:
    """Voice by language, both as eSpeak writes them, from what `--voices` prints.

    Each language is known by its primary subtag too: its own voice's, else the one that the list
    says does best for it (a number, the lower the better), else the first of its regions.
    """
    voices: dict[str, str] = {}
    others: list[tuple[int, str, str]] = []
    for row in listed.splitlines()[1:]:
        fields = row.split()
        if len(fields) > 1:
            voices.setdefault(fields[1].lower(), fields[1])
            others += [(int(n), lang.lower(), fields[1]) for lang, n in _DOES_FOR.findall(row)]
    for _, language, voice in sorted(others):
        voices.setdefault(language, voice)
    for code, alias in _ALIASES.items():
        if alias in voices:
            voices.setdefault(code, voices[alias])
    for language, voice in sorted(voices.items()):
        voices.setdefault(language.partition("-")[0], voice)
    return voices


def _take(at: int, future: Future[Samples]) -> Take:
    error = future.exception()
    if error is None:
        return Take(at, future.result())
    if isinstance(error, _NotSpoken):
        return Take(at, None, str(error))
    if isinstance(error, EngineFault):
        raise error
    raise EngineFault(f"eSpeak NG failed: {error}") from error


class _NotSpoken(Exception):
    """One line could not be said; its text says why."""


def _read(wav: bytes) -> Samples:
    # The header of what went through a pipe does not know its length: "0x7fffffff bytes".
    if len(wav) <= _HEADER:
        raise _NotSpoken("eSpeak NG gave no sound: change the words.")
    samples, rate = soundfile.read(io.BytesIO(_with_length(wav)), dtype="float32")
    if samples.ndim != 1 or not len(samples):
        raise _NotSpoken("eSpeak NG gave no sound: change the words.")
    resampled: Samples = soxr.resample(samples, rate, _RATE, quality="HQ").astype(np.float32)
    return resampled


_HEADER = 44
"""Bytes of eSpeak's WAV header."""


def _with_length(wav: bytes) -> bytes:
    """The same file, with a header that says how long it is."""
    size = len(wav) - _HEADER
    return (
        wav[:4]
        + (size + 36).to_bytes(4, "little")
        + wav[8:40]
        + size.to_bytes(4, "little")
        + wav[44:]
    )


def _run(
    options: Sequence[str],
    stdin: bytes = b"",
    stdout: int = subprocess.PIPE,
    given_up: threading.Event | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run eSpeak NG to its end. Raises EngineFault, _NotSpoken."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise EngineFault("eSpeak NG is not installed: install the package espeak-ng.")
    with subprocess.Popen(
        [program, *options],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        # Its sound library otherwise leaves folders in the user's home, though nothing is played.
        env={**os.environ, "PULSE_RUNTIME_PATH": "/dev/null"},
    ) as process:
        with contextlib.suppress(OSError):
            # Whoever asks how we are must not wait for those that speak.
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        try:
            out, err = _communicate(process, stdin, given_up)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise _NotSpoken(f"eSpeak NG failed: {err.decode('utf-8', 'replace').strip()[-300:]}")
    return subprocess.CompletedProcess(process.args, process.returncode, out or b"", err)


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes, given_up: threading.Event | None
) -> tuple[bytes, bytes]:
    waited = 0.0
    data: bytes | None = stdin
    while True:
        try:
            return process.communicate(data, timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            data = None
            waited += _LOOK_SECONDS
        if given_up is not None and given_up.is_set():
            raise _NotSpoken("Nobody waits for it any more.")
        if waited > _TIMEOUT:
            raise _NotSpoken("eSpeak NG took too long: shorten the text.")

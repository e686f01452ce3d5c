"""The embedded translator: Apertium's pipeline, kept running and flushed by a NUL per request.

The `apertium` script itself cannot be used this way: its awk filter waits for what follows the
NUL. So the pair's own pipeline is started, with every program in its null-flush mode.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from gpu_node import process
from gpu_node.artefacts import digest_file, digest_of
from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import Translation, Utterance
from gpu_node.conversation import Conversation
from gpu_node.engines.spoken import spoken_form
from gpu_node.graph import StageContext
from gpu_node.languages import three_letters

NAME = "apertium"
_PROGRAM = "apertium-wblank-mode"
_TIMEOUT = 60.0
_ATTEMPTS = 2

# The reserved characters of Apertium's stream format; unescaped ones make it wait for ever.
_RESERVED = re.compile(r"([\[\]{}^$/\\@<>])")
_ESCAPED = re.compile(r"\\(.)")
# A superblank of its own after the text: without it the last full stop is not seen as one.
_END = "[][\n]"
# Not "…", which it takes for a blank: after a "^" it would wait for a word to follow.
_SENTENCE_END = ".!?"
_SPACE_BEFORE = re.compile(r"\s+([.,;:!?…)\]»])")


def data_folder() -> Path:
    return Path(os.environ.get("APERTIUM_DATADIR", "/usr/share/apertium"))


def installed_pairs() -> frozenset[tuple[str, str]]:
    """Pairs of three-letter codes that are installed here: {("eng", "spa"), …}."""
    names = (path.stem.split("-") for path in data_folder().glob("modes/*.mode"))
    return frozenset((name[0], name[1]) for name in names if len(name) == 2 and "_" not in name[1])


@functools.cache
def version(source: str, target: str) -> str:
    """A digest of all that a pair's translations depend on: its mode, its data, the programs.

    Taken once per process. Raises DubfleetError(ENGINE_FAILED).
    """
    mode = mode_file(source, target)
    try:
        pipeline = mode.read_text(encoding="utf-8", errors="surrogateescape")
        parts = [(path.name, digest_file(path)) for path in _named_files(pipeline)]
    except (OSError, ValueError) as error:
        raise DubfleetError(
            Reason.ENGINE_FAILED,
            f"Apertium's data for {mode.stem} cannot be read: install the language pair again.",
            detail=repr(error),
        ) from error
    return digest_of([pipeline, *parts])[:16]


def mode_file(source: str, target: str) -> Path:
    """The file that holds a pair's pipeline, written as a shell would read it."""
    return data_folder() / "modes" / f"{three_letters(source)}-{three_letters(target)}.mode"


def _named_files(pipeline: str) -> Iterator[Path]:
    for word in shlex.split(pipeline):
        # As a shell does: a word without a slash may be a program, to be looked for.
        found = word if "/" in word else shutil.which(word)
        if found is not None and Path(found).is_file():
            yield Path(found)


def encode(text: str) -> bytes:
    """Text as Apertium's stream format, ending in a full stop."""
    plain = " ".join(text.replace("\0", " ").split())
    if plain[-1:] not in _SENTENCE_END:
        plain += "."
    return (_RESERVED.sub(r"\\\1", plain) + _END).encode("utf-8", "replace")


def decode(reply: bytes, source: str) -> str:
    """The translation as people write it; the full stop goes if the source had none."""
    text = reply.decode("utf-8", "replace").partition(_END)[0]
    text = _SPACE_BEFORE.sub(r"\1", " ".join(_ESCAPED.sub(r"\1", text).split()))
    if source.rstrip()[-1:] not in _SENTENCE_END:
        text = text.removesuffix(".").rstrip()
    return text


class Apertium:
    """One pair's pipeline, started at the first sentence. Raises PROGRAM_MISSING."""

    def __init__(self, source: str, target: str) -> None:
        if shutil.which(_PROGRAM) is None:
            raise process.missing_program("apertium")
        # `eval` gives the pipeline its $1 (no marks on unknown words) and its $2 (nothing).
        script = f'eval "$({_PROGRAM} -z "$0")"'
        mode = str(mode_file(source, target))
        self._pipeline = Conversation(["bash", "-c", script, mode, "-n", ""], b"\0")
        self._turn = threading.Lock()

    def close(self) -> None:
        self._pipeline.close()

    def translate(self, ctx: StageContext, item: Utterance) -> Translation:
        """Raises ItemFailed(TRANSLATION_FAILED)."""
        text = self.sentence(item.text, ctx.stop) if item.text.strip() else ""
        if not text:
            raise ItemFailed(
                Reason.TRANSLATION_FAILED, "This line could not be translated: write it by hand."
            )
        return Translation(id=item.id, text=text, spoken=spoken_form(text))

    def sentence(self, text: str, stop: threading.Event | None = None) -> str:
        """Translate one piece of text. Raises ItemFailed, or DubfleetError(CANCELLED)."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return decode(self._answer(encode(text), stop), text)
            except DubfleetError as error:
                if error.reason not in (Reason.PROGRAM_FAILED, Reason.PROGRAM_TIMEOUT):
                    raise
                if attempt == _ATTEMPTS:
                    raise ItemFailed(
                        Reason.TRANSLATION_FAILED,
                        "The translator failed on this line: write its translation by hand.",
                        detail=str(error),
                    ) from error
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, request: bytes, stop: threading.Event | None) -> bytes:
        with self._turn:
            reply = self._pipeline.ask(request, timeout=_TIMEOUT, stop=stop)
            if _END.encode() not in reply:
                # One program has died: those after it passed on what they had, and a NUL.
                self._pipeline.close()
                raise DubfleetError(Reason.PROGRAM_FAILED, "apertium broke off its answer.")
            return reply

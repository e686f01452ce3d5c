"""Chatterbox behind the service's port. Torch and the release are imported when it is loaded."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatterbox_service.engines.chatterbox import languages, loading, requirements
from chatterbox_service.engines.chatterbox.facts import RELEASE, RELEASES, SAMPLE_RATE, Edition
from chatterbox_service.engines.chatterbox.memory import GpuMemory
from chatterbox_service.engines.chatterbox.options import Device, Options
from chatterbox_service.ports import EngineFault, Language, Line, Stop, Take, Voice

if TYPE_CHECKING:
    from chatterbox_service.engines.chatterbox.batching import Batches, Worded
    from chatterbox_service.engines.chatterbox.references import Encoding
    from chatterbox_service.engines.chatterbox.watermark import Watermark

_KEPT_TEXTS = 4096
"""Texts whose tokens are remembered between asking their size and speaking them."""
_KEPT_ENCODINGS = 32
"""References remembered for another exaggeration: well under 1 MiB each."""
_WARM_UP = Line(text="Good morning.", language="en", seed=0)


class ChatterboxEngine:
    """An Engine. Upstream's `generate` is never called, so none of its hooks is ever hung.

    Guidance of 0, with which upstream's English class fails, simply means none here. Upstream's
    stock sentence for an empty text is refused. `watermarked` is always true: every sound carries
    Perth's inaudible mark.
    """

    name = "chatterbox"
    version = RELEASE
    sample_rate = SAMPLE_RATE
    clones = True
    watermarked = True

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._release = RELEASES[self._options.edition]
        self.most_together = self._options.most_together
        self.budget = self._options.cache_bytes
        self.encodings = 0
        """References encoded so far."""
        self._loaded: loading.Loaded | None = None
        self._batches: Batches | None = None
        self._watermark: Watermark | None = None
        self._own: Encoding | None = None
        self._memory: GpuMemory | None = None
        self._texts: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._encodings: OrderedDict[str, Encoding] = OrderedDict()
        self._languages = languages.spoken(
            self._options.edition, lambda _: True, chinese_ready=True
        )

    def load(self) -> None:
        """Also speaks one short line, so that the first to come does not wait for that."""
        self.adopt(loading.load(self._options))
        if self._own is not None:
            # What comes of it is the model's luck; a failure raises.
            deque(self.speak([_WARM_UP], lambda: False), maxlen=0)

    def adopt(self, loaded: loading.Loaded) -> None:
        """Use a model that is there already: what `load` does after loading."""
        from chatterbox_service.engines.chatterbox.batching import Batches
        from chatterbox_service.engines.chatterbox.conditionals import encoding
        from chatterbox_service.engines.chatterbox.watermark import Watermark

        self._loaded, model = loaded, loaded.model
        self._watermark = Watermark(model.watermarker, self._options.watermark_threads)
        self._batches = Batches(
            self._options.edition,
            self._release,
            model,
            self._watermark,
            cache_bytes=self._options.cache_bytes,
            working_bytes=self._options.working_bytes,
        )
        if self._options.device is Device.CUDA:
            self._memory = GpuMemory(requirements.torch_module())
        self._own = None if model.conds is None else encoding(model.t3, model.conds)
        self._languages = languages.spoken(
            self._options.edition, languages.importable, chinese_ready=loaded.chinese_ready
        )

    def languages(self) -> Mapping[str, Language]:
        return self._languages

    def size(self, line: Line) -> int:
        batches, _ = self._ready()
        return batches.size(len(self._tokens(line)), line)

    def prepare(self, key: str, reference: Path, exaggeration: float) -> Voice:
        from chatterbox_service.engines.chatterbox.conditionals import encode

        _, loaded = self._ready()
        encoded = self._encodings.pop(key, None)
        if encoded is None:
            encoded = encode(loaded.model, self._release, reference)
            self.encodings += 1
        self._encodings[key] = encoded
        if len(self._encodings) > _KEPT_ENCODINGS:
            self._encodings.popitem(last=False)
        return Voice(key, exaggeration, prepared=encoded, size=encoded.size)

    def speak(self, lines: Sequence[Line], stop: Stop) -> Iterator[Take]:
        batches, _ = self._ready()
        torch = requirements.torch_module()
        worded: list[Worded] = []
        try:
            for at, line in enumerate(lines):
                fault, ready = self._worded(at, line)
                if ready is None:
                    yield Take(at, None, fault)
                else:
                    worded.append(ready)
            if worded:
                yield from _spoken(torch, batches, worded, stop)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise EngineFault(
                "The GPU's memory did not suffice for a single line: give the service more."
            ) from error
        except RuntimeError as error:
            raise EngineFault(f"The model failed: {error}") from error

    def device(self) -> str:
        return self._options.device.value

    def memory_used(self) -> int:
        """May be asked from any thread."""
        memory = self._memory
        return 0 if memory is None else memory.held()

    def watermark_seconds(self) -> float:
        """Spent on watermarks so far, in all threads together."""
        return 0.0 if self._watermark is None else self._watermark.seconds

    def close(self) -> None:
        if self._watermark is not None:
            self._watermark.close()
        if self._memory is not None:
            self._memory.close()
        was_loaded = self._loaded is not None
        self._loaded = self._batches = self._watermark = self._own = self._memory = None
        self._texts.clear()
        self._encodings.clear()
        if was_loaded and self._options.device is Device.CUDA:
            requirements.torch_module().cuda.empty_cache()

    def _ready(self) -> tuple[Batches, loading.Loaded]:
        if self._batches is None or self._loaded is None:
            raise EngineFault("The model has not been loaded: start the service again.")
        return self._batches, self._loaded

    def _worded(self, at: int, line: Line) -> tuple[str, Worded | None]:
        """The line as the model is given it, or one sentence on why that cannot be."""
        from chatterbox_service.engines.chatterbox.batching import Worded

        batches, _ = self._ready()
        known = self._languages.get(line.language)
        if known is None:
            return f"This model does not speak {line.language!r}.", None
        if known.lacks:
            return known.lacks, None
        if not any(character.isalnum() for character in line.text):
            return "There is nothing to say in this line: write some words.", None
        encoded = self._own if line.voice is None else line.voice.prepared
        if encoded is None:
            return "The weights bring no voice of their own: give a reference.", None
        tokens = self._tokens(line)
        if batches.most_text is not None and len(tokens) > batches.most_text:
            return "The line is too long for the model: divide it.", None
        voice_said = line if line.voice is None else _in_voice(line, line.voice)
        return "", Worded(at, voice_said, tokens, encoded)

    def _tokens(self, line: Line) -> Any:
        """(tokens,), on the model's device; upstream's own punctuation and tokenizer."""
        key = line.language, line.text
        found = self._texts.pop(key, None)
        if found is None:
            found = self._tokenised(line)
        self._texts[key] = found
        if len(self._texts) > _KEPT_TEXTS:
            self._texts.popitem(last=False)
        return found

    def _tokenised(self, line: Line) -> Any:
        _, loaded = self._ready()
        model, text = loaded.model, loaded.punctuate(line.text)
        if self._options.edition is Edition.TURBO:
            return model.tokenizer(text, return_tensors="pt").input_ids[0].to(model.device)
        if self._options.edition is Edition.ENGLISH:
            return model.tokenizer.text_to_tokens(text)[0].to(model.device)
        return model.tokenizer.text_to_tokens(text, language_id=line.language)[0].to(model.device)


def _in_voice(line: Line, voice: Voice) -> Line:
    """The voice was prepared for its exaggeration, whatever else the line says."""
    return replace(line, manner=replace(line.manner, exaggeration=voice.exaggeration))


def _spoken(torch: Any, batches: Batches, lines: Sequence[Worded], stop: Stop) -> Iterator[Take]:
    """A batch; where the memory does not suffice for it, its halves. What was given stays given."""
    given: set[int] = set()
    try:
        for take in batches.speak(lines, stop):
            given.add(take.at)
            yield take
        return
    except torch.OutOfMemoryError:
        if len(lines) == 1:
            raise
        torch.cuda.empty_cache()
    left = [line for line in lines if line.at not in given]
    half = max(1, len(left) // 2)
    for part in (left[:half], left[half:]):
        if part and not stop():
            yield from _spoken(torch, batches, part, stop)

"""What the speech service says of itself, and which of its languages is meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import BaseModel, ConfigDict

from gpu_node.languages import primary


class _Said(BaseModel):
    """The service may say more than is known here: it has a life of its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LanguageHealth(_Said):
    """`lacks`: one sentence on why it cannot be spoken now."""

    ready: bool
    lacks: str = ""


class Health(_Said):
    """The answer of `GET /health`."""

    status: str
    error: str | None = None
    engine: str
    engine_version: str
    version: str
    """The service's own."""
    languages: Mapping[str, LanguageHealth]
    """By its codes for them."""

    @property
    def speaker(self) -> str:
        """Engine and versions: what spoken lines depend on besides the words."""
        return f"{self.engine_version}+service-{self.version}"

    @property
    def spoken(self) -> frozenset[str]:
        """The codes of all languages that can be spoken now."""
        return frozenset(code for code, language in self.languages.items() if language.ready)

    def lacking(self, tag: str) -> str:
        """What keeps a language from being spoken; empty where it is not known at all."""
        code = voice_for(tag, self.languages)
        return "" if code is None else self.languages[code].lacks


def voice_for(tag: str, codes: Collection[str]) -> str | None:
    """The code to ask for: the language's own region, else the language, else any region.

    Codes are spelled as the service spells them.
    """
    known = {code.lower(): code for code in codes}
    wanted = tag.lower()
    base = primary(wanted)
    for candidate in (wanted, base):
        if candidate in known:
            return known[candidate]
    return next((known[code] for code in sorted(known) if code.startswith(base + "-")), None)

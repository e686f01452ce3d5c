"""Which languages can be spoken, and what the others lack.

Upstream only logs a warning where a language's preparation is missing and speaks the text as it
is: Russian without stress, Hebrew without vowels, Chinese and Japanese in signs that the model was
never taught. Here such a language is not ready, and only that one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from chatterbox_service.engines.chatterbox.facts import RELEASES, Edition
from chatterbox_service.ports import Language

_PREPARED_BY: Mapping[str, tuple[str, str]] = {
    "ru": (
        "russian_text_stresser.text_stresser",
        "Russian lacks its stress marks: install russian_text_stresser.",
    ),
    "he": ("dicta_onnx", "Hebrew lacks its vowels: install dicta_onnx."),
    "ja": ("pykakasi", "Japanese lacks the reading of its signs: install pykakasi."),
}
_CHINESE = (
    "Chinese lacks its words or the codes of its signs: install spacy-pkuseg with its model, "
    "and put Cangjie5_TC.json beside the weights."
)


def spoken(
    edition: Edition, can_import: Callable[[str], bool], *, chinese_ready: bool
) -> dict[str, Language]:
    """All of an edition's languages by code. The English models prepare nothing."""
    codes = RELEASES[edition].languages
    if edition is not Edition.MULTILINGUAL:
        return {code: Language(code) for code in codes}
    lacks = {
        code: sentence
        for code, (module, sentence) in _PREPARED_BY.items()
        if not can_import(module)
    }
    if not chinese_ready:
        lacks["zh"] = _CHINESE
    return {code: Language(code, lacks.get(code, "")) for code in codes}


def importable(module: str) -> bool:
    """Really imported: upstream would not notice a package that is there and broken."""
    try:
        importlib.import_module(module)
    except Exception:
        # Whatever a foreign package fails with, its language is not ready.
        return False
    return True

"""Words whose stop ends no sentence: something always follows them.

Those that may well stand at a sentence's end ("etc.", "usw.", "т. д.", "a.m.") are left out: after
them the case of the next letter decides. A stop too many taken for an abbreviation's costs little,
the piece gets longer; so names and titles are in even where a word is spelt the same.
"""

from __future__ import annotations

from collections.abc import Mapping


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_EVERYWHERE = _listed("dr prof st vs cf ca")

_OF: Mapping[str, frozenset[str]] = {
    "en": _listed(
        "mr mrs ms mx messrs rev hon col maj capt cmdr lt sgt gov sen rep fr mt approx "
        "e.g i.e viz eg ie"
    ),
    "ru": _listed(
        "т.е т.к т.н т.о т е к н напр см ср стр рис табл гл разд илл ул пр пер наб пл г гг гор "
        "пос дер оз им акад доц инж ген полк кап лейт св прим изд сост отв"
    ),
    "de": _listed(
        "hr hrn fr frl dipl ing bspw bzw evtl ggf inkl exkl insb lt s.o s.u sog u.a vgl z.b z.t "
        "z.h d.h i.d.r zzgl zz z d h i u v"
    ),
    "es": _listed(
        "sr sra srta sres dña dra drs profa gral ing lic arq ud uds vd vds avda p.ej p ej"
    ),
    "fr": _listed("m mm mme mlle mgr pr av bd boul p.ex p éd c.-à-d càd"),
    "it": _listed("sig sigg sig.ra dott dott.ssa prof.ssa ing avv arch geom egr gent p.es on"),
    "pt": _listed("sr sra srs sras srta dra drs profa eng exmo exma av p.ex p"),
    "nl": _listed("dhr mevr mw drs ir ing mr jhr bijv bv d.w.z m.b.t o.a m.n t.a.v"),
    "pl": _listed("dr hab mgr inż doc ks np tj tzn tzw m.in ul al pl os"),
}

_BEFORE_NUMBERS = _listed(
    "no nos nr n núm n.º n° p pp pg pág págs pag pagg s ss ch chap kap cap rozdz hfdst sec "
    "sect fig figs abb afb rys tab tabl tbl eq eqs ex es vol bd tom t art abs op tel tél тел "
    "approx aprox ok ок с д п пп ч кв корп оф стр эт jan feb mar apr aug sept oct okt nov dec dez "
    "ust pkt blz jh"
)


def never_ends(word: str, language: str, following: str) -> bool:
    """Whether a sentence goes on after this word and its stop.

    `word` is in lower case and without the stop; `following` is the next letter or digit.
    """
    if following.isdecimal() and word in _BEFORE_NUMBERS:
        return True
    return word in _EVERYWHERE or word in _OF.get(language, ())


_ORDINAL_STOP = _listed("de da no nb nn fi cs sk pl hu hr sl et lv tr is")


def ordinal(word: str, language: str) -> bool:
    """Whether a number and a stop are a day, a century, a king: "3. Oktober"."""
    return language in _ORDINAL_STOP and word.isdecimal() and len(word) <= 2

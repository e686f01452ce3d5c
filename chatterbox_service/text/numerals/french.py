"""French numbers, those of Belgium and Switzerland too."""

from __future__ import annotations

from chatterbox_service.text.numerals.vocabulary import (
    HUNDRED,
    MILLIARD,
    MILLION,
    THOUSAND,
    Numeral,
    Vocabulary,
    listed,
    multiplying,
    phrases,
)

FRENCH = Vocabulary(
    numerals={
        **listed("zéro/zero un/une deux trois quatre cinq six sept huit neuf", range(10)),
        "dix": Numeral(10, 10),
        **listed("onze douze treize quatorze quinze seize", range(11, 17)),
        **listed("vingt trente quarante cinquante", range(20, 60, 10), room=10),
        "soixante": Numeral(60, 20),
        **listed("septante huitante/octante nonante", range(70, 100, 10), room=10),
        # Said in two words, which are joined before they are looked up.
        **listed("quatrevingt/quatrevingts", (80,), room=20),
        **multiplying(
            "cent/cents mille/mil million/millions milliard/milliards",
            (HUNDRED, THOUSAND, MILLION, MILLIARD),
        ),
        **listed(
            "premier/première/premiers/premières/unième deuxième troisième quatrième cinquième "
            "sixième septième huitième neuvième dixième onzième douzième treizième quatorzième "
            "quinzième seizième",
            range(1, 17),
            ordinal=True,
        ),
        **listed(
            "vingtième trentième quarantième cinquantième soixantième quatrevingtième",
            (20, 30, 40, 50, 60, 80),
            ordinal=True,
        ),
        **multiplying("centième millième", (HUNDRED, THOUSAND), ordinal=True),
    },
    joiners={"et": frozenset({10, 20})},
    point=frozenset({"virgule", "point"}),
    ordinal_ending="er|ère|re|e|ème|es|nd|nde",
    signs={"&": "et", "+": "plus", "=": "égale", "№": "numéro", "°": "degrés", "-": "moins"},
    phrases=phrases(
        "%: pour cent; $: dollar, dollars; €: euro, euros, deuros; £: livre, livres;"
        "¥: yen, yens, yuan, yuans; ₽: rouble, roubles; ¢: centime, centimes;"
        "quatrevingt: quatre vingt; quatrevingts: quatre vingts;"
        "quatrevingtième: quatre vingtième"
    ),
)

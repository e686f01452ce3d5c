"""Spanish numbers."""

from __future__ import annotations

from chatterbox_service.text.numerals.vocabulary import (
    MILLION,
    THOUSAND,
    Vocabulary,
    listed,
    multiplying,
    phrases,
)

SPANISH = Vocabulary(
    numerals={
        **listed("cero uno/un/una dos tres cuatro cinco seis siete ocho nueve", range(10)),
        **listed(
            "diez once doce trece catorce quince dieciséis/dieciseis diecisiete dieciocho "
            "diecinueve veinte veintiuno/veintiún/veintiun/veintiuna veintidós/veintidos "
            "veintitrés/veintitres veinticuatro veinticinco veintiséis/veintiseis veintisiete "
            "veintiocho veintinueve",
            range(10, 30),
        ),
        **listed(
            "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
            range(30, 100, 10),
            room=10,
        ),
        **listed(
            "cien/ciento doscientos/doscientas trescientos/trescientas cuatrocientos/cuatrocientas "
            "quinientos/quinientas seiscientos/seiscientas setecientos/setecientas "
            "ochocientos/ochocientas novecientos/novecientas",
            range(100, 1000, 100),
            room=100,
        ),
        **multiplying("mil millón/millon/millones", (THOUSAND, MILLION)),
        # Not "segundos": that is time, and nothing may hang on it.
        **listed(
            "primero/primera/primer/primeros/primeras segundo/segunda tercero/tercera/tercer "
            "cuarto/cuarta quinto/quinta sexto/sexta séptimo/séptima octavo/octava noveno/novena "
            "décimo/décima undécimo/undécima duodécimo/duodécima",
            range(1, 13),
            ordinal=True,
        ),
    },
    joiners={"y": frozenset({10})},
    long_scale=True,
    point=frozenset({"coma", "punto"}),
    ordinal_ending=r"\.?(?:o|a|er|os|as)",
    signs={"&": "y", "+": "más", "=": "igual a", "№": "número", "°": "grados", "-": "menos"},
    phrases=phrases(
        "%: por ciento, por cien; $: dólar, dólares; €: euro, euros; £: libra, libras;"
        "¥: yen, yenes, yuan, yuanes; ₽: rublo, rublos; ¢: centavo, centavos, céntimo, céntimos"
    ),
)

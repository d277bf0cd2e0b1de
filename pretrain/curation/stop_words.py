"""Words that any text of a language has: a document with fewer than two kinds of them is no prose.

English: the eight of MassiveText (Rae et al. 2021, appendix A.1.1). Others: the commonest articles,
conjunctions and prepositions of each language. A language that is not here is not measured by them.
"""


def listed(words: str) -> frozenset[str]:
    """The words of a line."""
    return frozenset(words.split())


STOP_WORDS: dict[str, frozenset[str]] = {
    "en": listed("the be to of and that have with"),
    "de": listed("der die das und ist nicht mit ein eine zu von den auf für"),
    "fr": listed("le la les et de des un une est que pour dans en qui"),
    "es": listed("el la los las y de que en un una es por con para"),
    "it": listed("il la le e di che un una è per con non sono del"),
    "pt": listed("o a os as e de que em um uma é por com para não"),
    "nl": listed("de het een en van is dat niet op te met voor zijn"),
    "ru": listed("и в не на что с по как это но из к за"),
    "pl": listed("i w nie na z że się do jest to o jak"),
}

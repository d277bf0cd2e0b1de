"""Counting dirty words: finds adult pages that no list of domains names (Llama 3, section 3.1.1). Pure.

The word lists are the user's, a file for each language; the product has a small one for a few languages, of
words that mark pornography and hardly stand elsewhere. Words of medicine and insults are not on it.
"""

from collections.abc import Iterable, Mapping

from pretrain.curation.stop_words import listed
from pretrain.curation.words import Segments

DIRTY_WORDS: dict[str, frozenset[str]] = {
    "en": listed(
        "porn porno pornstar xxx milf gangbang blowjob handjob creampie cumshot bukkake hentai camgirl "
        "upskirt deepthroat threesome"
    ),
    "de": listed("porno pornos fickfilme sexcam sexkontakte gangbang milf wichsen"),
    "fr": listed("porno pornos gangbang milf partouze branlette sodomie"),
    "es": listed("porno pornos gangbang milf follando mamadas corridas putas"),
}


class DirtyWords:
    """The lists by language."""

    def __init__(self, own: Mapping[str, Iterable[str]]) -> None:
        """`own` lists stand in the stead of the product's for their language."""
        lists = {**DIRTY_WORDS, **own}
        self._lists = {
            language: frozenset(word.strip().lower() for word in words if word.strip())
            for language, words in lists.items()
        }
        self._all = frozenset().union(*self._lists.values())

    def share(self, segments: Segments, language: str | None) -> float:
        """Of the document's words, those on its language's list; on all lists where the language is unknown.

        Entries are single words; in a script without spaces, where words are characters, any run of them.
        """
        listed = self._all if language is None else self._lists.get(language, frozenset())
        if not listed or not segments.words:
            return 0.0
        if segments.is_unspaced:
            found = sum(segments.text.count(word) for word in listed)
        else:
            found = sum(
                int(count)
                for word, count in zip(segments.vocabulary, segments.counts_V, strict=True)
                if word.lower() in listed
            )
        return found / len(segments.words)

"""The languages of the interface: English, and each that has a folder of translations."""

from pathlib import Path

from django.conf.locale import LANG_INFO
from django.utils.translation import to_language


def interface_languages(locales: Path) -> list[tuple[str, str]]:
    """(code, the language's own name) of English and of each folder in `locales`, such as zh_Hans.

    Raises ValueError for a folder whose language Django does not know.
    """
    codes = ["en", *sorted(to_language(folder.name) for folder in locales.iterdir() if folder.is_dir())]
    unknown = [code for code in codes if code not in LANG_INFO]
    if unknown:
        raise ValueError(f"{locales} has folders of no known language: {', '.join(unknown)}.")
    return [(code, LANG_INFO[code]["name_local"]) for code in codes]

"""The checks that numbers of these kinds carry in themselves, and lengths and dates that they must have."""

from datetime import date

IBAN_LENGTHS = {
    **{"NO": 15, "BE": 16, "DK": 18, "FI": 18, "NL": 18, "SD": 18, "FO": 18, "GL": 18},
    **{"MK": 19, "SI": 19, "AT": 20, "BA": 20, "EE": 20, "KZ": 20, "LT": 20, "LU": 20, "XK": 20, "MN": 20},
    **{"CH": 21, "HR": 21, "LI": 21, "LV": 21, "BG": 22, "BH": 22, "CR": 22, "DE": 22, "GB": 22, "GE": 22},
    **{"IE": 22, "ME": 22, "RS": 22, "VA": 22, "AE": 23, "GI": 23, "IL": 23, "IQ": 23, "OM": 23, "SO": 23},
    **{"TL": 23, "AD": 24, "CZ": 24, "ES": 24, "MD": 24, "PK": 24, "RO": 24, "SA": 24, "SE": 24, "SK": 24},
    **{"TN": 24, "VG": 24, "PT": 25, "ST": 25, "LY": 25, "IS": 26, "TR": 26, "BI": 27, "DJ": 27, "FR": 27},
    **{"GR": 27, "IT": 27, "MC": 27, "MR": 27, "SM": 27, "AL": 28, "AZ": 28, "BY": 28, "CY": 28, "DO": 28},
    **{"GT": 28, "HU": 28, "LB": 28, "NI": 28, "PL": 28, "SV": 28, "BR": 29, "EG": 29, "PS": 29, "QA": 29},
    **{"UA": 29, "JO": 30, "KW": 30, "MU": 30, "YE": 30, "MT": 31, "SC": 31, "LC": 32, "RU": 33},
}
"""Characters of a country's account numbers: the registry of ISO 13616."""

CARD_PREFIXES = (
    ("4", (13, 16, 19)),
    *((str(prefix), (16,)) for prefix in range(51, 56)),
    *((str(prefix), (16,)) for prefix in range(2221, 2721)),
    *((prefix, (15,)) for prefix in ("34", "37")),
    *((prefix, (16, 19)) for prefix in ("6011", "644", "645", "646", "647", "648", "649", "65", "62")),
    *((str(prefix), (16, 19)) for prefix in range(3528, 3590)),
    *((prefix, (14, 16, 19)) for prefix in ("300", "301", "302", "303", "304", "305", "36", "38", "39")),
)
"""How the numbers of the large card networks begin, and how many digits they have (ISO/IEC 7812)."""

CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CN_CHECK = "10X98765432"


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Whether this is a number of a payment card: a network's beginning and length, and Luhn's check."""
    fits = any(digits.startswith(prefix) and len(digits) in lengths for prefix, lengths in CARD_PREFIXES)
    return fits and is_luhn(digits)


def is_iban(account: str) -> bool:
    """Whether the account number (capitals, no spaces) has its country's length and its check (ISO 7064)."""
    if IBAN_LENGTHS.get(account[:2]) != len(account):
        return False
    turned = account[4:] + account[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def is_cn_id(number: str) -> bool:
    """Whether these 18 characters are a Chinese identity number (GB 11643-1999): place, birthday, check."""
    if not 11 <= int(number[:2]) <= 91:
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(CN_WEIGHTS, number[:17], strict=True))
    return 1850 <= born.year <= 2100 and CN_CHECK[total % 11] == number[17].upper()


def is_us_ssn(digits: str) -> bool:
    """Whether the nine digits can be a US social security number: no part is one that is never given out."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"

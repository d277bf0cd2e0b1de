"""Which judgements an export takes: one model for the command line, the API and the page. Pure.

Values of one field are alternatives, fields hold together; what is left empty takes everything.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from annotation.records import Strength
from annotation.text import storable

MAX_VALUES = 200
MAX_ROUND = 2**31 - 1
LISTS = ("rounds", "domains", "languages", "strengths", "annotators", "reasons", "safety")
PARAMETERS = {
    "round": "rounds",
    "domain": "domains",
    "language": "languages",
    "strength": "strengths",
    "annotator": "annotators",
    "reason": "reasons",
    "safety": "safety",
    "from": "first_day",
    "to": "last_day",
    "edited": "edited_only",
    "safe": "safe_only",
}
SWITCHES = ("edited", "safe")
"""Those that are on or off."""
"""Names in addresses and on the command line, and the fields they fill."""


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:  # Any: numbers or texts
    """The same values in one order, so that the same choice is the same filter."""
    return tuple(sorted(set(values)))


def _by_strength(values: tuple[Strength, ...]) -> tuple[Strength, ...]:
    return tuple(strength for strength in Strength if strength in values)


def _kept(text: str) -> str:
    if not storable(text):
        raise ValueError("it has NUL characters or broken Unicode")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_kept)]
Names = Annotated[tuple[Name, ...], Field(max_length=MAX_VALUES), AfterValidator(_once)]
Round = Annotated[int, Field(ge=0, le=MAX_ROUND)]


class PreferenceFilter(BaseModel):
    """A choice of judgements. Equal choices are equal, whatever order they were made in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: Annotated[tuple[Round, ...], Field(max_length=MAX_VALUES), AfterValidator(_once)] = ()
    domains: Names = ()
    languages: Names = ()
    strengths: Annotated[tuple[Strength, ...], AfterValidator(_by_strength)] = ()
    annotators: Names = ()
    """Pseudonyms."""
    reasons: Names = ()
    """Judgements that name any of these tags."""
    safety: Names = ()
    """Judgements that find either answer unsafe in any of these categories."""
    first_day: date | None = None
    """Judged on this day (UTC) or later."""
    last_day: date | None = None
    """Judged on this day (UTC) or earlier."""
    edited_only: bool = False
    safe_only: bool = False
    """Judgements that find nothing unsafe."""

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError("its first day is after its last: exchange them")
        return self

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return self == PreferenceFilter()

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """What is chosen, without the fields that are open."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def as_parameters(self) -> list[tuple[str, str]]:
        """Name and value pairs, as `from_parameters` reads them."""
        pairs: list[tuple[str, str]] = []
        for name, field in PARAMETERS.items():
            value = self.as_json().get(field, [])
            values = value if isinstance(value, list) else [1 if value is True else value]
            pairs.extend((name, str(each)) for each in values)
        return pairs


def from_parameters(parameters: Mapping[str, Iterable[str]]) -> PreferenceFilter:
    """The filter of an address or a form; names that belong to others are passed over, empty values too.

    Raises ValueError with a sentence that says what to mend.
    """
    fields: dict[str, Any] = {}  # Any: checked by the model
    for name, field in PARAMETERS.items():
        values = [value for value in parameters.get(name, ()) if value != ""]
        if values:
            fields[field] = values if field in LISTS else values[-1]
    try:
        return PreferenceFilter.model_validate(fields)
    except ValidationError as error:
        raise ValueError(sentence(error)) from error


def sentence(error: ValidationError) -> str:
    """What is wrong with a filter, for people."""
    first = error.errors()[0]
    place = first["loc"][0] if first["loc"] else ""
    name = next((name for name, field in PARAMETERS.items() if field == place), str(place))
    said = first["msg"].removeprefix("Value error, ")
    given = "" if not name else f" of {name!r}"
    return f"The filter{given} does not fit: {said[:1].lower()}{said[1:]}."

"""Which request, task or round the work of this thread belongs to, for every line that it logs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

NONE: Mapping[str, str | int] = MappingProxyType({})
_IDS: ContextVar[Mapping[str, str | int]] = ContextVar("log_ids", default=NONE)


@contextmanager
def log_ids(**ids: str | int | None) -> Iterator[None]:
    """Add ids (`request="…"`, `round=5`) to what is logged within the block; None leaves one out."""
    known = {name: value for name, value in ids.items() if value is not None}
    token = _IDS.set({**_IDS.get(), **known})
    try:
        yield
    finally:
        _IDS.reset(token)


def current_ids() -> Mapping[str, str | int]:
    """The ids of what is being done."""
    return _IDS.get()

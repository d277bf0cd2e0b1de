"""What each process remembers for itself, for a while: figures that took long and that no other must know.

Django's default cache is a table, which all web processes share, for what they must agree on: counts of
failed logins. A figure in it would be a statement for each look, and pickled into the database.
"""

from django.core.cache import BaseCache, caches
from django.utils.connection import ConnectionProxy

PROCESS = "process"
"""The alias in settings.CACHES."""

process_cache: BaseCache = ConnectionProxy(caches, PROCESS)  # type: ignore[assignment]  # as Django's own `cache`

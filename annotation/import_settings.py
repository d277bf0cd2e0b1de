"""The limits of imports, as this site's settings have them."""

from django.conf import settings

from annotation.importing.limits import Limits


def import_limits() -> Limits:
    """What IMPORT_MAX_BYTES and IMPORT_MAX_ROWS say."""
    return Limits(max_bytes=settings.ACCORD_IMPORT_MAX_BYTES, max_rows=settings.ACCORD_IMPORT_MAX_ROWS)

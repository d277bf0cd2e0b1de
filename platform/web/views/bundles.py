"""Style sheets and modules, joined (`web.bundles`)."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from web.bundles import bundle

FOR_EVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=60"
"""A page that was sent before a new version of the site asks for what is no more: it gets what is now."""


@require_safe
def bundled(request: HttpRequest, digest: str, path: str) -> HttpResponse:
    """One file with all that it imports."""
    try:
        found = bundle(path)
    except FileNotFoundError as error:
        raise Http404 from error
    is_zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(found.zipped if is_zipped else found.content, content_type=found.content_type)
    if is_zipped:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    response["Cache-Control"] = FOR_EVER if digest == found.digest else BRIEFLY
    return response

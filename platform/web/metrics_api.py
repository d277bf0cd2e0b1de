"""`GET /api/v1/metrics`: the site's numbers for Prometheus, for site admins' tokens."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router
from prometheus_client import CONTENT_TYPE_LATEST

from accounts.auth import request_user
from accounts.errors import Forbidden
from web.numbers import site_metrics

router = Router(tags=["operations"])


@router.get("/metrics", include_in_schema=False)
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus's text form."""
    if not request_user(request).is_admin:
        raise Forbidden("The site's numbers are for admins: give Prometheus the token of one.")
    return HttpResponse(site_metrics(settings.ACCORD_METRICS_FOLDER), content_type=CONTENT_TYPE_LATEST)

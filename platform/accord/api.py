"""The HTTP API under /api/v1: each app's router, one way of saying what went wrong."""

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from accounts.auth import bearer_or_session
from accounts.errors import AccordError
from accounts.models import Scope
from alignment.api import router as alignment_router
from alignment.control_api import router as control_router
from alignment.deployment_api import router as deployment_router
from alignment.member_api import router as member_router
from alignment.model_api import router as model_router
from annotation.api.exchange import router as exchange_router
from annotation.api.judging import router as annotation_router
from annotation.api.live import router as live_router
from annotation.api.quality import router as quality_router
from registry.api import router as registry_router
from web.metrics_api import router as metrics_router

api = NinjaAPI(
    title="Accord", version="1", auth=bearer_or_session(Scope.MANAGE), urls_namespace="api", docs_url=None
)
annotating = bearer_or_session(Scope.ANNOTATE)
api.add_router("", annotation_router, auth=annotating)
api.add_router("", live_router, auth=annotating)
api.add_router("", exchange_router)
api.add_router("", quality_router)
api.add_router("", alignment_router)
api.add_router("", control_router)
api.add_router("", member_router)
api.add_router("", deployment_router)
api.add_router("", model_router)
api.add_router("", registry_router)
api.add_router("", metrics_router)


@api.exception_handler(AccordError)
def on_accord_error(request: HttpRequest, error: AccordError) -> HttpResponse:
    """What a user can mend: the sentence, with the status that the error carries."""
    return api.create_response(request, {"detail": str(error)}, status=error.status)

"""How a text will look: Markdown in, the HTML that pages show out."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from web.markdown import render_markdown


@login_required
@require_POST
def markdown_preview(request: HttpRequest) -> HttpResponse:
    """The field `text` (or the one that `field` names) as safe HTML."""
    name = request.POST.get("field", "text")
    return HttpResponse(render_markdown(request.POST.get(name, "")))

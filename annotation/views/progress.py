"""The progress page of a project: its round and when it will be done, coverage of prompts, pay."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.auth import signed_in
from annotation.figures.pay import Work, pay_of, pay_of_all
from annotation.figures.progress import coverage, rates, round_progress, total_coverage, work_of_people
from annotation.forms.projects import PlanForm
from annotation.models import Project
from annotation.permissions import ADMINISTER, REVIEW, project_for
from annotation.services.administration import project_update
from annotation.views.projects import project_frame


@login_required
@require_http_methods(["GET", "POST"])
def project_progress(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the project is; to admins also what it costs, with the form of what is wanted and paid."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER if request.method == "POST" else REVIEW)
    form = PlanForm(request.POST or None, instance=Project.objects.get(pk=project.pk))
    if request.method == "POST" and form.is_valid():
        project_update(project, actor=user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("project-progress", slug=slug)
    rows = coverage(project)
    context = {
        **project_frame(request, project),
        "progress": round_progress(project),
        "coverage": rows,
        "covered": total_coverage(rows),
        "form": form,
    }
    if context["may_administer"]:
        context |= _pay(project)
    return render(request, "annotation/project_progress.html", context, status=422 if form.errors else 200)


def _pay(project: Project) -> dict[str, object]:
    people, paid = work_of_people(project), rates(project)
    everybody = Work(
        name="",
        num_judgements=sum(work.num_judgements for work in people),
        num_timed=sum(work.num_timed for work in people),
        active_seconds=sum(work.active_seconds for work in people),
    )
    return {"rates": paid, "people": pay_of_all(people, paid), "everybody": pay_of(everybody, paid)}

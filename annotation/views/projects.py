"""Project pages: the list, how far a project is, its settings, prompts, people and flagged comparisons."""

import tempfile
from pathlib import Path

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from accounts.models import Role, User
from accounts.services import user_create
from annotation.conflicts import num_conflicts
from annotation.figures.overview import (
    breakdown,
    flagged,
    members,
    project_overviews,
    skip_reasons,
    state_counts,
)
from annotation.forms.projects import MemberForm, NewProjectForm, ProjectForm, PromptsForm
from annotation.import_settings import import_limits
from annotation.importing.prompts import read_prompts
from annotation.importing.refusal import Refusal
from annotation.judging_words import STRENGTHS
from annotation.models import Comparison, Membership, Project, Prompt
from annotation.permissions import ADMINISTER, REVIEW, has_role, project_for
from annotation.services import (
    PromptCounts,
    flag_resolve,
    membership_set,
    project_create,
    prompts_import,
)
from annotation.services.administration import membership_remove, project_update
from annotation.services.masking import counted

PROMPTS_PER_PAGE = 50
MAX_REFUSALS_SHOWN = 20


@login_required
@require_GET
def project_list(request: HttpRequest) -> HttpResponse:
    """The projects that this person may see."""
    return render(
        request, "annotation/project_list.html", {"projects": project_overviews(signed_in(request))}
    )


@login_required
@require_http_methods(["GET", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    """The form that makes a project."""
    user = signed_in(request)
    if not user.is_admin:
        raise PermissionDenied(_("Only admins make projects."))
    form = NewProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = project_create(**form.cleaned_data, actor=user)
        except AccordError as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request, _("%(name)s is there. Now give it prompts and people.") % {"name": project.name}
            )
            return redirect("project-prompts", slug=project.slug)
    return render(request, "annotation/project_new.html", {"form": form}, status=_status(form))


@login_required
@require_GET
def project_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the project is: comparisons by state, judgements by domain and strength, models, people."""
    project = project_for(signed_in(request), slug, REVIEW)
    counted = breakdown(project)
    context = {
        **project_frame(request, project),
        "states": state_counts(project),
        "breakdown": counted,
        "strengths": [capfirst(words) for words in STRENGTHS.values()],
        "domain_bars": [(domain, total) for domain, _, total in counted.domains[:12]],
        "deployments": project.deployments.select_related("checkpoint").order_by("name"),
        "members": members(project)[:8],
    }
    return render(request, "annotation/project_detail.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def project_settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Guidelines and settings."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    form = ProjectForm(request.POST or None, instance=Project.objects.get(pk=project.pk))
    if request.method == "POST" and form.is_valid():
        project_update(project, actor=user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("project-settings", slug=slug)
    context = {**project_frame(request, project), "form": form}
    return render(request, "annotation/project_settings.html", context, status=_status(form))


@login_required
@require_http_methods(["GET", "POST"])
def project_prompts(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's prompts, and more of them from a file."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER if request.method == "POST" else REVIEW)
    form = PromptsForm(request.POST or None, request.FILES or None)
    context = {**project_frame(request, project), "form": form}
    if request.method == "POST" and form.is_valid():
        refusals: list[Refusal] = []
        counts = _import(project, form.cleaned_data["file"], form.cleaned_data["holdout"], refusals, user)
        refused = [(reason.value, number) for reason, number in counts.refused.items()]
        context |= {"counts": counts, "refused": refused, "refusals": refusals, "form": PromptsForm()}
        context["masked"] = counted(counts.masked)
    prompts = Prompt.objects.filter(project=project).exclude(split=Prompt.Split.CHECK)
    context["page"] = Paginator(prompts, PROMPTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "annotation/project_prompts.html", context, status=_status(form))


@login_required
@require_http_methods(["GET", "POST"])
def project_people(request: HttpRequest, slug: str) -> HttpResponse:
    """Who belongs to the project, and the form that adds somebody."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER if request.method == "POST" else REVIEW)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            member = form.cleaned_data["user"] or _new_account(form, user)
        except AccordError as error:
            form.add_error("password", str(error))
        else:
            membership = membership_set(project, member, Role(form.cleaned_data["role"]), actor=user)
            words = _("%(name)s is now %(role)s.")
            role = membership.get_role_display().lower()
            messages.success(request, words % {"name": member.username, "role": role})
            return redirect("project-people", slug=slug)
    context = {**project_frame(request, project), "form": form, "members": members(project)}
    return render(request, "annotation/project_people.html", context, status=_status(form))


@login_required
@require_POST
def member_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Somebody leaves the project; what they judged stays."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    membership = get_object_or_404(
        Membership.objects.select_related("user", "project"), pk=pk, project=project
    )
    membership_remove(membership, actor=user)
    words = _("%(name)s has left the project. What they judged stays.")
    messages.success(request, words % {"name": membership.user.username})
    return redirect("project-people", slug=slug)


@login_required
@require_GET
def project_flagged(request: HttpRequest, slug: str) -> HttpResponse:
    """Comparisons that somebody flagged, for a reviewer to decide about."""
    project = project_for(signed_in(request), slug, REVIEW)
    flags = list(flagged(project))
    reasons = skip_reasons([flag.comparison_id for flag in flags])
    told = [(flag, reasons.get(flag.comparison_id, [])) for flag in flags]
    context = {**project_frame(request, project), "flags": told}
    return render(request, "annotation/project_flagged.html", context)


@login_required
@require_POST
def flag_decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Hand a flagged comparison out again (`decision=keep`), or withdraw it."""
    user = signed_in(request)
    project = project_for(user, slug, REVIEW)
    comparison = get_object_or_404(Comparison, pk=pk, project=project)
    keep = request.POST.get("decision") == "keep"
    flag_resolve(comparison, keep=keep, actor=user)
    messages.success(request, _("It is handed out again.") if keep else _("It is withdrawn."))
    return redirect("project-flagged", slug=slug)


def project_frame(request: HttpRequest, project: Project) -> dict[str, object]:
    """What the header and the tabs of each project page need."""
    return {
        "project": project,
        "may_administer": has_role(signed_in(request), project, ADMINISTER),
        "num_prompts": project.prompts.exclude(split=Prompt.Split.CHECK).count(),
        "num_people": project.memberships.count(),
        "num_conflicts": num_conflicts(project),
        "num_flagged": Comparison.objects.filter(project=project, state=Comparison.State.FLAGGED).count(),
    }


def _import(
    project: Project, file: "UploadedFile[bytes]", holdout: float, refusals: list[Refusal], user: User
) -> PromptCounts:
    """Import an uploaded file from a folder of its own; the first refusals go to `refusals`."""

    def note(refusal: Refusal) -> None:
        if len(refusals) < MAX_REFUSALS_SHOWN:
            refusals.append(refusal)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompts"
        with path.open("wb") as out:
            for chunk in file.chunks():
                out.write(chunk)
        rows = read_prompts(path, limits=import_limits())
        return prompts_import(project, rows, holdout=holdout, on_refusal=note, actor=user)


def _new_account(form: MemberForm, admin: User) -> User:
    """An account for somebody new. Raises PermissionDenied for admins of this project alone."""
    if not admin.is_admin:
        raise PermissionDenied(_("Only admins of the whole site make accounts: ask one of them."))
    return user_create(
        username=form.cleaned_data["username"],
        role=Role.ANNOTATOR,
        password=form.cleaned_data["password"],
        actor=admin,
    )


def _status(form: ProjectForm | PromptsForm | MemberForm) -> int:
    return 422 if form.errors else 200

"""Pages of quality control: the checks of a project, the word after one, and people's disagreements."""

from pathlib import Path
from tempfile import TemporaryDirectory

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from annotation.conflicts import ConflictFilter, conflict_ids, decided, with_judgements
from annotation.figures.check_figures import checks_with_counts, num_active
from annotation.figures.reports import rounds_judged
from annotation.forms.checks import CheckFileForm, CheckForm, DecisionForm
from annotation.importing.checks import read_checks
from annotation.models import Check, Comparison, Judgement, Project, Prompt, Side
from annotation.models.checks import KINDS_MADE_BY_HAND
from annotation.permissions import ADMINISTER, REVIEW, project_for
from annotation.records import Message, Strength
from annotation.services import Verdict
from annotation.services.adjudication import comparison_decide, decision_undo
from annotation.services.checking import feedback_of
from annotation.services.checks import (
    CheckCounts,
    check_create,
    check_from_comparison,
    check_set_active,
    checks_import,
)
from annotation.views.projects import project_frame

CHECKS_PER_PAGE = 25
CONFLICTS_PER_PAGE = 10


@login_required
@require_http_methods(["GET", "POST"])
def project_checks(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's checks, a form for another, and a file of many."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    is_file = "upload" in request.POST
    form = CheckForm(None if is_file else request.POST or None)
    file_form = CheckFileForm(request.POST if is_file else None, request.FILES if is_file else None)
    context: dict[str, object] = {}
    if request.method == "POST" and is_file and file_form.is_valid():
        counts = _import(project, file_form, request)
        refused = [(reason.value, number) for reason, number in counts.refused.most_common()]
        context |= {"counts": counts, "refused": refused, "num_refused": counts.refused.total()}
    elif request.method == "POST" and not is_file and form.is_valid():
        try:
            _create(project, form, request)
        except AccordError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The check is there and will be handed out."))
            return redirect("project-checks", slug=slug)
    kind = request.GET.get("kind", "")
    checks = checks_with_counts(project, kind if kind in Check.Kind.values else None)
    active = num_active(project)
    context |= {
        **project_frame(request, project),
        "form": form,
        "file_form": file_form,
        "page": Paginator(checks, CHECKS_PER_PAGE).get_page(request.GET.get("page")),
        "kinds": [(value, label) for value, label in Check.Kind.choices if value in KINDS_MADE_BY_HAND],
        "kind": kind,
        "active": [(Check.Kind(name).label, number) for name, number in active],
        "too_few": dict(active)[Check.Kind.QUALIFICATION] < project.qualification_needed,
    }
    status = 422 if form.errors or file_form.errors else 200
    return render(request, "annotation/project_checks.html", context, status=status)


@login_required
@require_POST
def check_switch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Hand the check out from now on (`active=1`), or no more."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    check = get_object_or_404(Check, pk=pk, project=project, kind__in=KINDS_MADE_BY_HAND)
    check_set_active(check, active=request.POST.get("active") == "1", actor=user)
    return redirect("project-checks", slug=slug)


@login_required
@never_cache
@require_POST
def check_feedback(request: HttpRequest, slug: str) -> HttpResponse:
    """The word after a check, for the person who judged it (`judgement` is the id)."""
    user = signed_in(request)
    project = project_for(user, slug)
    number = request.POST.get("judgement", "")
    judgement = get_object_or_404(
        Judgement.objects.select_related("comparison__of_check", "comparison__project"),
        pk=int(number) if number.isdecimal() and len(number) < 19 else 0,
        annotator=user,
        comparison__project=project,
    )
    context = {
        "judgement": judgement,
        "feedback": feedback_of(judgement.comparison, judgement.passed),
        "comparison": judgement.comparison,
    }
    return render(request, "annotation/_check_feedback.html", context)


@login_required
@require_GET
def project_conflicts(request: HttpRequest, slug: str) -> HttpResponse:
    """Comparisons on which people disagree, the strongest contradictions first; or what was decided."""
    user = signed_in(request)
    project = project_for(user, slug, REVIEW)
    asked = request.GET.get("round", "")
    rounds = rounds_judged(project)
    wanted = ConflictFilter(
        round=next((number for number in rounds if str(number) == asked), None),
        domain=request.GET.get("domain") or None,
        strong=request.GET.get("strong") == "1",
    )
    show_decided = request.GET.get("show") == "decided"
    context = {
        **project_frame(request, project),
        "wanted": wanted,
        "rounds": rounds,
        "domains": Prompt.objects.filter(project=project)
        .exclude(split=Prompt.Split.CHECK)
        .order_by("domain")
        .values_list("domain", flat=True)
        .distinct(),
        "show_decided": show_decided,
        "strengths": Strength,
        "query": _without_page(request),
    }
    number = request.GET.get("page")
    if show_decided:
        context["page"] = Paginator(decided(project), CONFLICTS_PER_PAGE).get_page(number)
    else:
        page = Paginator(conflict_ids(project, wanted), CONFLICTS_PER_PAGE).get_page(number)
        context |= {"page": page, "comparisons": [_shown(one) for one in with_judgements(list(page))]}
    return render(request, "annotation/project_conflicts.html", context)


@login_required
@require_POST
def conflict_decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The reviewer's judgement, which stands for the comparison; or a check made from it (`act=check`)."""
    user = signed_in(request)
    project = project_for(user, slug, REVIEW)
    comparison = get_object_or_404(
        Comparison.objects.select_related("left", "right", "project", "dialog__prompt"),
        pk=pk,
        project=project,
    )
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose which answer is better, and how strongly."))
        return _back(request, slug)
    side, strength = form.cleaned_data["choice"]
    try:
        if request.POST.get("act") == "check":
            project_for(user, slug, ADMINISTER)
            check_from_comparison(
                comparison, better=side, explanation=form.cleaned_data["comment"], actor=user
            )
            messages.success(request, _("A gold check is made from it. The comparison stays as it is."))
        else:
            verdict = Verdict(preferred=side, strength=strength, comment=form.cleaned_data["comment"])
            comparison_decide(comparison, reviewer=user, verdict=verdict)
            messages.success(request, _("Decided. It can be undone under “Decided”."))
    except AccordError as error:
        messages.error(request, str(error))
    return _back(request, slug)


@login_required
@require_POST
def conflict_undo(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take a decision back: what people said counts again."""
    user = signed_in(request)
    project = project_for(user, slug, REVIEW)
    decision = get_object_or_404(Judgement, pk=pk, comparison__project=project, decision__gt=0)
    decision_undo(decision, actor=user)
    messages.success(request, _("Undone: what people said counts again."))
    return _back(request, slug)


def _shown(comparison: Comparison) -> dict[str, object]:
    """One conflict as the page shows it, each side with who preferred it."""
    sides = []
    for side, title, response in (
        (Side.LEFT, _("Left"), comparison.left),
        (Side.RIGHT, _("Right"), comparison.right),
    ):
        judgements = [
            judgement
            for judgement in comparison.judgements.all()
            if judgement.preferred == side and judgement.standing == Judgement.Standing.COUNTED
        ]
        sides.append({"side": side, "title": title, "response": response, "judgements": judgements})
    return {"comparison": comparison, "sides": sides}


def _create(project: Project, form: CheckForm, request: HttpRequest) -> Check:
    fields = form.cleaned_data
    before = [Message(role="system", content=fields["system"])] if fields["system"] else []
    return check_create(
        project,
        kind=Check.Kind(fields["kind"]),
        context=[*before, Message(role="user", content=fields["prompt"])],
        better=fields["better"],
        worse=fields["worse"],
        weakest=Strength(fields["weakest"]),
        strongest=Strength(fields["strongest"]),
        explanation=fields["explanation"],
        actor=signed_in(request),
    )


def _import(project: Project, form: CheckFileForm, request: HttpRequest) -> CheckCounts:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checks.jsonl"
        with path.open("wb") as out:
            for chunk in form.cleaned_data["file"].chunks():
                out.write(chunk)
        return checks_import(project, read_checks(path), actor=signed_in(request))


def _without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


def _back(request: HttpRequest, slug: str) -> HttpResponse:
    """To the list, with the same filter."""
    answer = redirect("project-conflicts", slug=slug)
    if query := request.GET.urlencode():
        answer["Location"] += f"?{query}"
    return answer

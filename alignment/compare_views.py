"""The page that puts two models, or two rounds by their policies, side by side."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.errors import AccordError, NotFound
from alignment.compare_figures import (
    Side,
    data_changes,
    policies_of,
    recipe_changes,
    rewards_of,
    sides_of,
    sides_sources,
    training_curves,
)
from alignment.compared_answers import Source, asked_both, people_figures, sampled, unfinished
from alignment.model_comparing import MAX_PROMPTS, model_comparison_cancel, model_comparison_request
from alignment.models import ModelComparison, Round
from alignment.side_by_side import answer_rows, marked, rewards_plot
from alignment.views import signed_in_admin
from annotation.models import Project
from registry.models import Checkpoint

PROMPTS_PER_PAGE = 8
ORDERS = ("asked", "first", "second")


class AskForm(forms.Form):
    """What both models are to answer, and who scores it."""

    project = forms.ModelChoiceField(
        Project.objects.order_by("name"), to_field_name="slug", label=gettext_lazy("Held-out prompts of")
    )
    reward_model = forms.ModelChoiceField(
        Checkpoint.objects.filter(kind=Checkpoint.Kind.REWARD_MODEL).order_by("-pk"),
        to_field_name="name",
        label=gettext_lazy("Scored by"),
    )
    num_prompts = forms.IntegerField(
        label=gettext_lazy("Prompts"), min_value=1, max_value=MAX_PROMPTS, initial=200
    )


@login_required
@require_http_methods(["GET", "POST"])
def models_compare(request: HttpRequest) -> HttpResponse:
    """Both models' answers, data and recipes; the form that has them answer; POST asks for that."""
    admin = signed_in_admin(request)
    given = request.GET if request.method == "GET" else request.POST
    context: dict[str, Any] = {  # Any: of a template
        "choices": Checkpoint.objects.exclude(kind=Checkpoint.Kind.REWARD_MODEL).only("pk", "name", "kind"),
        "a": given.get("a", ""),
        "b": given.get("b", ""),
    }
    try:
        chosen = _chosen(given)
    except NotFound as error:
        return render(request, "alignment/compare.html", {**context, "problem": str(error)}, status=404)
    if chosen[0] is None or chosen[1] is None or chosen[0] == chosen[1]:
        problem = _("Choose two different models.") if chosen[0] is not None and chosen[1] is not None else ""
        return render(request, "alignment/compare.html", {**context, "problem": problem})
    first, second = sides = sides_of(chosen[0], chosen[1])
    form = AskForm(request.POST if request.method == "POST" else None, initial=_asked(first, second))
    if request.method == "POST" and form.is_valid():
        try:
            model_comparison_request(first.checkpoint, second.checkpoint, actor=admin, **form.cleaned_data)
        except AccordError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Both models are asked. The figures come here when they are there."))
            return redirect(f"{reverse('models-compare')}?{urlencode({'a': first.name, 'b': second.name})}")
    asked = asked_both(first.checkpoint, second.checkpoint)
    found = sides_sources(first, second, asked)
    source = next((each for each in found if each.key == given.get("from")), found[0] if found else None)
    context |= {
        "first": first,
        "second": second,
        "sides": sides,
        "a": first.name,
        "b": second.name,
        "form": form,
        "sources": found,
        "source": source,
        "waiting": unfinished(asked),
        "data": data_changes(first, second),
        "recipe": recipe_changes(first, second),
        "curves": training_curves(first, second),
    }
    if source is not None:
        context |= _answers(request, source, first, second)
    return render(request, "alignment/compare.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def model_comparison_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a comparison is, for the page to show."""
    signed_in_admin(request)
    rows = ModelComparison.objects.select_related("program", "project", "reward_model", "first", "second")
    comparison = get_object_or_404(rows, pk=pk)
    return render(request, "alignment/_comparison_progress.html", {"each": comparison})


@login_required
@require_POST
def model_comparison_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a comparison."""
    admin = signed_in_admin(request)
    rows = ModelComparison.objects.select_related("first", "second", "program")
    comparison = get_object_or_404(rows, pk=pk)
    try:
        model_comparison_cancel(comparison, actor=admin)
    except AccordError as error:
        messages.error(request, str(error))
    query = urlencode({"a": comparison.first.name, "b": comparison.second.name})
    return redirect(f"{reverse('models-compare')}?{query}")


def _chosen(given: Any) -> tuple[Checkpoint | None, Checkpoint | None]:  # Any: a QueryDict
    """The models named `a` and `b`, or the policies of `round_a` and `round_b`; None where none is named."""
    numbers = {letter: given[f"round_{letter}"] for letter in "ab" if given.get(f"round_{letter}")}
    if not all(number.isdecimal() and len(number) < 19 for number in numbers.values()):
        raise NotFound(_("There is no such round: choose two on its page."))
    rounds = Round.objects.select_related("project").in_bulk([int(number) for number in numbers.values()])
    if any(int(number) not in rounds for number in numbers.values()):
        raise NotFound(_("There is no such round: choose two on its page."))
    policies = policies_of(rounds.values()) if rounds else {}
    names = {letter: given.get(letter, "").replace("\0", "") for letter in "ab" if letter not in numbers}
    wanted = [name for name in names.values() if name]
    named = {each.name: each for each in Checkpoint.objects.filter(name__in=wanted)} if wanted else {}
    if any(name not in named for name in wanted):
        raise NotFound(_("There is no model of this name: choose one from the list."))
    first, second = (
        policies[int(numbers[letter])] if letter in numbers else named.get(names[letter]) for letter in "ab"
    )
    return first, second


def _asked(first: Side, second: Side) -> dict[str, Any]:  # Any: a form's initial values
    """The project and the reward model of whichever round is newer."""
    rounds = [side.round for side in (first, second) if side.round is not None]
    if not rounds:
        return {}
    newest = max(rounds, key=lambda round_: round_.pk)
    name = f"{newest.project.slug}-r{newest.number}-reward-model-average"
    return {"project": newest.project.slug, "reward_model": name}


def _answers(
    request: HttpRequest, source: Source, first: Side, second: Side
) -> dict[str, Any]:  # Any: template
    """Figures over all prompts, and a page of answers with what differs marked."""
    found = sampled(source)
    if not set(found.first) & set(found.second):
        return {"source": None}
    domains = found.domains
    order = request.GET.get("order", "")
    order = order if order in ORDERS else ORDERS[0]
    domain = request.GET.get("domain", "")
    rows = answer_rows(found.prompts, found.first, found.second, order=order)
    rows = [row for row in rows if not domain or row.prompt.domain == domain]
    page = Paginator(rows, PROMPTS_PER_PAGE).get_page(request.GET.get("page"))
    filters = request.GET.copy()
    filters.pop("page", None)
    return {
        "figures": found.figures,
        "people": people_figures(source, domains),
        "rewards": rewards_plot(
            _("Rewards of both models' answers"),
            (first.name, second.name),
            (rewards_of(found.first), rewards_of(found.second)),
        ),
        "page": page,
        "rows": [(row, *marked(row.first.content, row.second.content)) for row in page],
        "domains": sorted(set(domains.values())),
        "domain": domain,
        "order": order,
        "filters": filters.urlencode(),
    }

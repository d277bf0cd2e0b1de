"""Pages that show examples token by token: judgements as a model reads them, lines of a training file."""

import json
from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from alignment.examples import read_example
from alignment.models import Program
from alignment.permissions import admins_row
from alignment.shown_tokens import shown_parts
from alignment.views import signed_in_admin
from annotation.selectors import judgement_find, judgement_neighbours, judgement_newest, record_of
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError, RunFolder
from registry.models import Checkpoint

TEMPLATE = "alignment/tokens.html"


@login_required
@require_GET
def model_tokens(request: HttpRequest, pk: int) -> HttpResponse:
    """A judgement as the checkpoint reads it: `?example=` its id, the newest one without."""
    signed_in_admin(request)
    checkpoint = get_object_or_404(Checkpoint, pk=pk)
    example = request.GET.get("example", "").strip()
    judgement = judgement_find(example) if example else judgement_newest()
    context: dict[str, object] = {"checkpoint": checkpoint, "example": example}
    if judgement is None:
        if example:
            context["error"] = f"There is no judgement {example!r}: give a judgement's or a record's id."
        return render(request, TEMPLATE, context, status=404 if example else 200)
    before, after = judgement_neighbours(judgement)
    context |= {"example": judgement.pk, "before": before, "after": after}
    context |= {"judgement": judgement, "project": judgement.comparison.project}
    try:
        record = record_of(judgement, judgement.record_id)
        context["parts"] = shown_parts(record, encoder_for(Path(checkpoint.path)))
    except ProgramError as error:
        context["error"] = str(error)
    return render(request, TEMPLATE, context)


@login_required
@require_GET
def program_tokens(request: HttpRequest, pk: int) -> HttpResponse:
    """A line of what a training program learned from, as its model read it: `?example=` counts from 1."""
    programs = Program.objects.filter(stage__isnull=False).select_related("stage__round__project")
    program = admins_row(signed_in(request), programs, pk, project="stage__round__project")
    text = request.GET.get("example", "1").strip()
    line = int(text) if text.isdecimal() and len(text) < 10 else 0
    context: dict[str, object] = {"program": program, "example": text}
    try:
        initial, train = trained_on(program)
        context["file"] = train
        parts = shown_parts(read_example(train, line), encoder_for(initial))
    except ProgramError as error:
        return render(request, TEMPLATE, context | {"error": str(error)}, status=404)
    context |= {"parts": parts, "before": line - 1 if line > 1 else None, "after": line + 1}
    return render(request, TEMPLATE, context)


def trained_on(program: Program) -> tuple[Path, Path]:
    """The model that a program started from and the file it learned from. Raises ProgramError."""
    path = RunFolder(Path(program.folder)).config_path
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if "initial" not in told or "train" not in told:
        raise ProgramError("This program learns from no examples: choose one that trains a model.")
    return Path(told["initial"]), Path(told["train"])

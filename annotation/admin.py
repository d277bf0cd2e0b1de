"""Annotation in Django's admin: projects and people to change, judgements to read, flags to resolve."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from annotation.models import Comparison, Flag, Judgement, Membership, Project, Prompt, Response
from annotation.privacy import Masker
from annotation.services import flag_resolve


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """A project's people."""

    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Projects with their guidelines and people."""

    list_display = ("slug", "name", "current_round", "overlap", "lease_seconds")
    search_fields = ("slug", "name")
    readonly_fields = ("deployments", "release")
    inlines = (MembershipInline,)


@admin.register(Prompt)
class PromptAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Prompts."""

    list_display = ("external_id", "project", "domain", "language", "split")
    list_filter = ("project", "split", "domain")
    search_fields = ("external_id",)
    list_select_related = ("project",)

    def save_model(self, request: HttpRequest, obj: Prompt, form: object, change: bool) -> None:
        """Mask what the project wants masked, then save."""
        if obj.project.mask_personal_data:
            masker = Masker()
            obj.context = [{**each, "content": masker.mask(each["content"])} for each in obj.context]
        obj.save()


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """What only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """No."""
        return False


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    """Comparisons; flagged ones are handed out again or withdrawn here."""

    list_display = ("id", "project", "round", "turn", "state", "num_judgements", "needed")
    list_filter = ("state", "project", "round")
    list_select_related = ("project",)
    actions = ("hand_out_again", "withdraw")

    @admin.action(description="Flagged: hand out again")
    def hand_out_again(self, request: HttpRequest, queryset: QuerySet[Comparison]) -> None:
        """They were fine."""
        self._resolve(request, queryset, keep=True)

    @admin.action(description="Flagged: withdraw")
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Comparison]) -> None:
        """They were not."""
        self._resolve(request, queryset, keep=False)

    def _resolve(self, request: HttpRequest, queryset: QuerySet[Comparison], *, keep: bool) -> None:
        assert isinstance(request.user, User), request.user
        for comparison in queryset.filter(state=Comparison.State.FLAGGED):
            flag_resolve(comparison, keep=keep, actor=request.user)


@admin.register(Response)
class ResponseAdmin(ReadOnlyAdmin):
    """What models answered, and which version of which: never shown to annotators."""

    list_display = ("id", "project", "model_name", "content_hash", "deployment", "release", "written_at")
    list_filter = ("project",)
    list_select_related = ("project", "checkpoint", "deployment", "release__project")

    @admin.display(description="Content hash")
    def content_hash(self, response: Response) -> str:
        """Of the checkpoint that wrote it."""
        return response.checkpoint.content_hash if response.checkpoint else ""


@admin.register(Flag)
class FlagAdmin(ReadOnlyAdmin):
    """What people would not judge, and why."""

    list_display = ("comparison", "annotator", "reason", "created_at")
    list_filter = ("reason",)
    list_select_related = ("comparison", "annotator")


@admin.register(Judgement)
class JudgementAdmin(ReadOnlyAdmin):
    """Judgements."""

    list_display = ("id", "comparison", "annotator", "preferred", "strength", "seconds", "created_at")
    list_filter = ("strength", "comparison__project")
    search_fields = ("annotator__username", "record_id")
    list_select_related = ("comparison", "annotator")

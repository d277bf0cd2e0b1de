"""The registry in Django's admin: checkpoints are facts and only read; deployments can be looked at."""

from django.contrib import admin
from django.http import HttpRequest

from registry.models import Checkpoint, CheckpointParent, Deployment


class ParentInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """What a checkpoint came from."""

    model = CheckpointParent
    fk_name = "child"
    extra = 0
    can_delete = False
    readonly_fields = ("parent", "role")

    def has_add_permission(self, request: HttpRequest, obj: Checkpoint | None = None) -> bool:
        """No: descent is a fact."""
        return False


@admin.register(Checkpoint)
class CheckpointAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Checkpoints, to read."""

    list_display = ("name", "kind", "content_hash", "produced_by", "created_at")
    list_filter = ("kind",)
    search_fields = ("name", "content_hash")
    inlines = (ParentInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: checkpoints come from `import_model`, `pretrain` and rounds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Checkpoint | None = None) -> bool:
        """No: a checkpoint is immutable."""
        return False


@admin.register(Deployment)
class DeploymentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Deployments, to read: nothing goes live but past its canary."""

    list_display = ("name", "checkpoint", "state", "base_url", "managed", "created_at")
    list_filter = ("state", "managed")
    search_fields = ("name", "checkpoint__name")
    list_select_related = ("checkpoint",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: they come from `deploy_models`, `register_server` and rounds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Deployment | None = None) -> bool:
        """No: what answers is decided by the canary."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Deployment | None = None) -> bool:
        """No: answers say which deployment wrote them."""
        return False

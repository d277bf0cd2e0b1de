"""Celery: three queues, and the clock that advances rounds and finds what live work left undone.

Messages carry ids only. Long work is guarded by leases in PostgreSQL, so a message delivered twice or
late changes nothing; that is why they are acknowledged early and results are not kept.
"""

from celery import Celery

from accord.env import settings_module_default
from observing.tasks import follow_tasks

settings_module_default()

app = Celery("accord")
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_default_queue="default",
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    task_routes={
        "alignment.tasks.program_run": {"queue": "training"},
    },
    beat_schedule={
        "advance-rounds": {
            "task": "alignment.tasks.rounds_advance",
            "schedule": 2.0,
            "options": {"expires": 2.0},
        },
        "export-metrics": {
            "task": "alignment.tasks.metrics_export",
            "schedule": 20.0,
            "options": {"expires": 20.0},
        },
        "watch": {
            "task": "alignment.tasks.watch",
            "schedule": 60.0,
            "options": {"expires": 60.0},
        },
        "deliveries-due": {
            "task": "webhooks.tasks.deliveries_due",
            "schedule": 5.0,
            "options": {"expires": 5.0},
        },
        "learn-reliabilities": {
            "task": "annotation.tasks.reliabilities_learn",
            "schedule": 600.0,
            "options": {"expires": 600.0},
        },
        "seal-audit-log": {
            "task": "accounts.tasks.audit_seal",
            "schedule": 5.0,
            "options": {"expires": 5.0},
        },
        "verify-audit-log": {
            "task": "accounts.tasks.audit_verify",
            "schedule": 86400.0,
            "options": {"expires": 86400.0},
        },
        "jobs-due": {
            "task": "annotation.tasks.jobs_due",
            "schedule": 2.0,
            "options": {"expires": 2.0},
        },
    },
)
follow_tasks()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["accounts", "webhooks", "annotation", "alignment"])
app.autodiscover_tasks(["annotation", "reviewing"], related_name="import_tasks")

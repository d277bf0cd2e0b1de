"""The state that upgrades start from, and what processes of the previous release still send and write.

When a release is made: put its newest migrations, its tasks and its statements here.
"""

MIGRATIONS = {
    "accounts": "0001_initial",
    "alignment": "0011_prediction_run",
    "annotation": "0018_too_long",
    "registry": "0004_licence",
    "reviewing": "0002_imports",
    "webhooks": "0002_notifications",
}
"""By app, the newest of the previous release."""

TASKS = {
    "alignment.tasks.metrics_export": [],
    "alignment.tasks.pairs_generate": ["stage_id"],
    "alignment.tasks.program_run": ["program_id", "attempt"],
    "alignment.tasks.rounds_advance": [],
    "alignment.tasks.speed_trial": ["trial_id", "config"],
    "alignment.tasks.watch": [],
    "annotation.import_tasks.import_run": ["job_id"],
    "annotation.tasks.jobs_due": [],
    "annotation.tasks.pair_run": ["request_id"],
    "annotation.tasks.refinement_run": ["refinement_id"],
    "annotation.tasks.reliabilities_learn": [],
    "annotation.tasks.stock_fill": ["project_id"],
    "reviewing.import_tasks.review_import_run": ["job_id"],
    "webhooks.tasks.deliveries_due": [],
    "webhooks.tasks.delivery_send": ["delivery_id"],
}
"""What its processes send, by name, with the arguments in their order: workers of this release take it."""

STATEMENTS = {
    "audit": """
        INSERT INTO accounts_auditentry (actor_id, action, subject_type, subject_id, data, created_at)
        VALUES (1, 'judgement.submit', 'annotation.judgement', '1', '{}', now())
    """,
    "judge": """
        INSERT INTO annotation_judgement (comparison_id, annotator_id, preferred, strength, reasons, comment,
            idempotency_key, record_id, created_at, standing, decision, safety)
        SELECT c.id, 1, 'left', 'better', '[]', '', c.id::text, c.id::text, now(), 'counted', 0, '{}'
        FROM annotation_comparison c
        WHERE c.id = (SELECT 1 + coalesce(max(comparison_id), 0) FROM annotation_judgement)
    """,
    "draft": "UPDATE annotation_assignment SET draft = jsonb_build_object('comment', 'x') WHERE id = 1",
    "hand out": """
        INSERT INTO annotation_assignment (project_id, comparison_id, annotator_id, lease, expires_at, state,
            draft, created_at)
        SELECT 1, c.id, 1, gen_random_uuid(), now(), 'expired', '{}', now()
        FROM annotation_comparison c
        WHERE c.id = (SELECT 1 + coalesce(max(comparison_id), 0) FROM annotation_assignment)
    """,
    "lease": "UPDATE alignment_program SET lease_expires_at = now(), done = done + 1 WHERE id = 1",
    "deliver": "UPDATE webhooks_delivery SET attempts = 1 WHERE id = 1",
}
"""What its processes write all the time; all of it must go on working until the last of them has ended."""

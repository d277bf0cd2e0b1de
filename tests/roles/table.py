"""Who may what: for each method and route the status that each role gets, written by hand.

The roles are those of `tests.roles.site.ROLES`: anonymous, then annotator, reviewer and admin of the
project, then an annotator of another project, a reviewer of the site without a project, an admin of the site.

Not signed in is a redirect to the login (302), or 401 of the API. To those outside a project nothing of it is
there (404). What one's role does not cover is refused (403). A method without a row is refused (405).
"""

ADMIN_SITE = "/admin/"

ANY_METHOD = frozenset(
    {
        "/healthz",
        "/livez",
        "/readyz",
        "/login/",
        "/texts.js",
        "/i18n/setlang/",
        "/api/v1/",
        "/api/v1/openapi.json",
    }
)
"""Routes that look at no method, and write nothing but a login."""

EVERYBODY = "302 200 200 200 200 200 200"
MEMBERS = "302 200 200 200 404 404 200"
MEMBERS_SENT_ON = "302 302 302 302 404 404 302"
REVIEWERS = "302 403 200 200 404 404 200"
PROJECT_ADMINS = "302 403 403 200 404 404 200"
SITE_ADMINS = "302 403 403 403 403 403 200"
ADMINS_OF_ROUNDS = "302 403 403 403 404 404 200"
SITE_REVIEWERS = "302 403 403 403 403 200 200"

API_EVERYBODY = "401 200 200 200 200 200 200"
API_MEMBERS = "401 200 200 200 404 404 200"
API_REVIEWERS = "401 403 200 200 404 404 200"
API_SITE_REVIEWERS = "401 403 403 403 403 200 200"

TABLE = {
    # Pages that belong to no project.
    "GET /": EVERYBODY,
    "GET /healthz": "200 200 200 200 200 200 200",
    "GET /livez": "200 200 200 200 200 200 200",
    "GET /readyz": "200 200 200 200 200 200 200",
    # Of a round. 204: the test client is no ASGI server.
    "GET /events/": "401 403 403 403 404 404 204",
    "GET /texts.js": "200 200 200 200 200 200 200",
    "GET /bundles/<slug:digest>/<path:path>": "200 200 200 200 200 200 200",
    "HEAD /bundles/<slug:digest>/<path:path>": "200 200 200 200 200 200 200",
    "POST /i18n/setlang/": "302 302 302 302 302 302 302",
    "GET /login/": "200 302 302 302 302 302 302",
    "POST /login/": "200 302 302 302 302 302 302",
    # Where the operator has named no OpenID provider.
    "GET /login/oidc/": "404 404 404 404 404 404 404",
    "GET /login/oidc/callback/": "404 404 404 404 404 404 404",
    "POST /logout/": "302 302 302 302 302 302 302",
    "GET /account/": EVERYBODY,
    "POST /account/": EVERYBODY,
    "GET /account/password/": EVERYBODY,
    "POST /account/password/": "302 422 422 422 422 422 422",
    "POST /account/sessions/end-others/": "302 302 302 302 302 302 302",
    # The annotator's own.
    "POST /account/sessions/<int:pk>/end/": "302 302 404 404 404 404 404",
    "POST /account/tokens/<int:pk>/revoke/": "302 302 404 404 404 404 404",
    "POST /markdown/": EVERYBODY,
    "GET /models/": SITE_REVIEWERS,
    "GET /models/compare/": SITE_ADMINS,
    "POST /models/compare/": SITE_ADMINS,
    "GET /compared/<int:pk>/": "302 403 403 403 403 403 200",
    "POST /compared/<int:pk>/cancel/": "302 403 403 403 403 403 302",
    "GET /models/<int:pk>/": SITE_REVIEWERS,
    "GET /models/<int:pk>/tokens/": SITE_ADMINS,
    "GET /account/notifications/": SITE_ADMINS,
    "POST /account/notifications/": "302 403 403 403 403 403 302",
    "POST /account/notifications/try/": "302 403 403 403 403 403 302",
    "GET /models/<int:pk>/card/": SITE_ADMINS,
    "POST /models/<int:pk>/licence/": "302 403 403 403 403 403 302",
    "GET /audit/": SITE_ADMINS,
    "GET /disk/": SITE_ADMINS,
    "GET /webhooks/": SITE_ADMINS,
    "POST /webhooks/": "302 403 403 403 403 403 422",
    "GET /webhooks/<int:pk>/": SITE_ADMINS,
    "POST /webhooks/<int:pk>/<slug:deed>/": "302 403 403 403 403 403 302",
    "POST /deliveries/<int:pk>/resend/": "302 403 403 403 403 403 302",
    "GET /invitations/": SITE_ADMINS,
    "POST /invitations/": SITE_ADMINS,
    "POST /invitations/<int:pk>/revoke/": "302 403 403 403 403 403 302",
    # By a browser that was not invited; and who has an account makes no other.
    "GET /join/": "404 409 409 409 409 409 409",
    "POST /join/": "404 409 409 409 409 409 409",
    "GET /join/<slug:secret>/": "302 302 302 302 302 302 302",
    "GET /erase/": SITE_ADMINS,
    "POST /erase/": "302 403 403 403 403 403 422",
    # Pages of a project.
    "GET /projects/": EVERYBODY,
    "GET /projects/new/": SITE_ADMINS,
    "POST /projects/new/": "302 403 403 403 403 403 422",
    "GET /projects/<slug:slug>/": REVIEWERS,
    "GET /projects/<slug:slug>/deployments/": ADMINS_OF_ROUNDS,
    "POST /projects/<slug:slug>/deployments/act/": "302 403 403 403 404 404 302",
    "GET /projects/<slug:slug>/settings/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/settings/": "302 403 403 422 404 404 422",
    "GET /projects/<slug:slug>/prompts/": REVIEWERS,
    "POST /projects/<slug:slug>/prompts/": PROJECT_ADMINS,
    "GET /projects/<slug:slug>/prompts/weights/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/prompts/weights/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/people/": REVIEWERS,
    "POST /projects/<slug:slug>/people/": "302 403 403 302 404 404 302",
    "POST /projects/<slug:slug>/people/<int:pk>/remove/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/flagged/": REVIEWERS,
    "POST /projects/<slug:slug>/flagged/<int:pk>/": "302 403 302 302 404 404 302",
    "GET /projects/<slug:slug>/quality/": PROJECT_ADMINS,
    "GET /projects/<slug:slug>/quality/edits/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/quality/edits/<int:pk>/leave-out/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/checks/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/checks/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/checks/<int:pk>/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/documents/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/documents/import/": "302 403 403 403 404 404 302",
    "GET /projects/<slug:slug>/documents/imports/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/documents/imports/<int:pk>/restart/": "302 403 403 403 404 404 302",
    "GET /projects/<slug:slug>/documents/<int:pk>/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/documents/<int:pk>/open/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/documents/<int:pk>/recipe.json": PROJECT_ADMINS,
    "GET /projects/<slug:slug>/documents/<int:pk>/labels.jsonl": PROJECT_ADMINS,
    "GET /projects/<slug:slug>/documents/<int:pk>/read/": MEMBERS,
    "POST /projects/<slug:slug>/documents/<int:pk>/read/<int:document>/": MEMBERS_SENT_ON,
    "POST /projects/<slug:slug>/documents/<int:pk>/read/<int:document>/take-back/": MEMBERS_SENT_ON,
    "POST /projects/<slug:slug>/documents/<int:pk>/read/<int:document>/reveal/": MEMBERS_SENT_ON,
    "GET /projects/<slug:slug>/disagreements/": REVIEWERS,
    "POST /projects/<slug:slug>/disagreements/<int:pk>/": "302 403 302 302 404 404 302",
    "POST /projects/<slug:slug>/decisions/<int:pk>/undo/": "302 403 302 302 404 404 302",
    "GET /projects/<slug:slug>/people/<int:pk>/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/people/<int:pk>/act/": "302 403 403 302 404 404 302",
    # Of nobody's own judgement.
    "POST /projects/<slug:slug>/annotate/feedback/": "302 404 404 404 404 404 404",
    "GET /projects/<slug:slug>/progress/": REVIEWERS,
    "POST /projects/<slug:slug>/progress/": PROJECT_ADMINS,
    "GET /projects/<slug:slug>/reports/": REVIEWERS,
    "GET /projects/<slug:slug>/reports/<slug:table>.csv": REVIEWERS,
    "GET /projects/<slug:slug>/data/": REVIEWERS,
    "GET /projects/<slug:slug>/data/count/": REVIEWERS,
    "GET /projects/<slug:slug>/data/export/": REVIEWERS,
    "POST /projects/<slug:slug>/data/filters/": "302 403 204 204 404 404 204",
    "POST /projects/<slug:slug>/data/filters/delete/": "302 403 302 302 404 404 302",
    "POST /projects/<slug:slug>/data/import/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/data/imports/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/data/imports/<int:pk>/restart/": "302 403 403 302 404 404 302",
    # Only members can agree to see what is in it.
    "POST /projects/<slug:slug>/sensitive/": "302 302 302 302 404 404 403",
    "GET /work/": EVERYBODY,
    "GET /work/<slug:slug>/": MEMBERS,
    "GET /projects/<slug:slug>/guidelines/": MEMBERS,
    "POST /projects/<slug:slug>/guidelines/read/": "302 204 204 204 404 404 204",
    "GET /projects/<slug:slug>/guidelines/history/": PROJECT_ADMINS,
    "GET /projects/<slug:slug>/guidelines/examples/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/guidelines/examples/": "302 403 403 422 404 404 422",
    "GET /projects/<slug:slug>/guidelines/examples/<int:pk>/": PROJECT_ADMINS,
    "POST /projects/<slug:slug>/guidelines/examples/<int:pk>/": "302 403 403 422 404 404 422",
    "POST /projects/<slug:slug>/guidelines/examples/<int:pk>/delete/": "302 403 403 302 404 404 302",
    "GET /projects/<slug:slug>/annotate/": MEMBERS,
    "POST /projects/<slug:slug>/annotate/next/": MEMBERS,
    # Rounds: for site admins; there for the others only as far as the project is.
    "GET /rounds/": SITE_ADMINS,
    "GET /rounds/new/": SITE_ADMINS,
    "POST /rounds/new/": "302 403 403 403 403 403 422",
    "POST /rounds/new/plan/": SITE_ADMINS,
    "POST /rounds/new/preview/": SITE_ADMINS,
    "POST /rounds/new/trial/": SITE_ADMINS,
    "GET /rounds/<int:pk>/": ADMINS_OF_ROUNDS,
    "POST /rounds/<int:pk>/cancel/": "302 403 403 403 404 404 302",
    "POST /rounds/<int:pk>/pause/": "302 403 403 403 404 404 302",
    "POST /rounds/<int:pk>/resume/": "302 403 403 403 404 404 302",
    "POST /rounds/<int:pk>/retry/": "302 403 403 403 404 404 302",
    "GET /rounds/<int:pk>/rerun/": ADMINS_OF_ROUNDS,
    "POST /rounds/<int:pk>/rerun/": "302 403 403 403 404 404 422",
    "POST /stages/<int:pk>/retry/": "302 403 403 403 404 404 302",
    "POST /stages/<int:pk>/gate/": "302 403 403 403 404 404 302",
    "GET /stages/<int:pk>/pairs/": ADMINS_OF_ROUNDS,
    "POST /pairs/<int:pk>/": "302 403 403 403 404 404 302",
    "GET /programs/<int:pk>/": ADMINS_OF_ROUNDS,
    # This program learns from no examples.
    "GET /programs/<int:pk>/tokens/": "302 403 403 403 404 404 404",
    # The API.
    "GET /api/v1/": "404 404 404 404 404 404 404",
    "GET /api/v1/openapi.json": "200 200 200 200 200 200 200",
    "GET /api/v1/metrics": "401 403 403 403 403 403 200",
    "GET /api/v1/projects": API_EVERYBODY,
    "GET /api/v1/projects/<slug:slug>": API_MEMBERS,
    "POST /api/v1/projects/<slug:slug>/next": API_MEMBERS,
    # In the annotator's hands: not assigned to the others of the project.
    "POST /api/v1/comparisons/<comparison_id>/judgement": "401 201 403 403 404 404 403",
    "PUT /api/v1/comparisons/<comparison_id>/draft": "401 200 403 403 404 404 403",
    "POST /api/v1/comparisons/<comparison_id>/skip": "401 204 403 403 404 404 403",
    "POST /api/v1/comparisons/<comparison_id>/flag": "401 204 403 403 404 404 403",
    # Nobody of them has judged its last answers.
    "POST /api/v1/dialogs/<dialog_id>/turn": "401 403 403 403 404 404 403",
    "GET /api/v1/projects/<slug:slug>/pairs": API_MEMBERS,
    "POST /api/v1/projects/<slug:slug>/prompts/draw": API_MEMBERS,
    "POST /api/v1/projects/<slug:slug>/dialogs": "401 202 202 202 404 404 202",
    "POST /api/v1/comparisons/<comparison_id>/refinements": "401 202 403 403 404 404 403",
    # The annotator's own.
    "POST /api/v1/pairs/<request_id>/retry": "401 202 404 404 404 404 404",
    "DELETE /api/v1/pairs/<request_id>": "401 204 404 404 404 404 404",
    "GET /api/v1/refinements/<refinement_id>": "401 200 404 404 404 404 404",
    "DELETE /api/v1/refinements/<refinement_id>": "401 204 404 404 404 404 404",
    "GET /api/v1/projects/<slug:slug>/export": API_REVIEWERS,
    "GET /api/v1/projects/<slug:slug>/export/manifest": API_REVIEWERS,
    "GET /api/v1/projects/<slug:slug>/export/count": API_REVIEWERS,
    "GET /api/v1/projects/<slug:slug>/filters": API_REVIEWERS,
    "PUT /api/v1/projects/<slug:slug>/filters/<name>": API_REVIEWERS,
    "DELETE /api/v1/projects/<slug:slug>/filters/<name>": "401 403 204 204 404 404 204",
    "GET /api/v1/projects/<slug:slug>/quality/edits": "401 403 403 200 404 404 200",
    "GET /api/v1/projects/<slug:slug>/people": "401 403 403 200 404 404 200",
    "POST /api/v1/projects/<slug:slug>/people/<person_id>/exclude": "401 403 403 200 404 404 200",
    "POST /api/v1/projects/<slug:slug>/people/<person_id>/restore": "401 403 403 200 404 404 200",
    "GET /api/v1/projects/<slug:slug>/releases": "401 403 403 403 404 404 200",
    "POST /api/v1/projects/<slug:slug>/releases/roll-back": "401 403 403 403 404 404 202",
    "POST /api/v1/projects/<slug:slug>/releases/<number>/withdraw-pairs": "401 403 403 403 404 404 200",
    "GET /api/v1/rounds": "401 403 403 403 403 403 200",
    "POST /api/v1/rounds": "401 403 403 403 403 403 422",
    "POST /api/v1/rounds/forecast": "401 403 403 403 403 403 422",
    "GET /api/v1/rounds/<round_id>": "401 403 403 403 404 404 200",
    "POST /api/v1/rounds/<round_id>/cancel": "401 403 403 403 404 404 200",
    "POST /api/v1/rounds/<round_id>/pause": "401 403 403 403 404 404 200",
    "POST /api/v1/rounds/<round_id>/resume": "401 403 403 403 404 404 409",
    "POST /api/v1/rounds/<round_id>/retry": "401 403 403 403 404 404 409",
    "POST /api/v1/rounds/<round_id>/rerun": "401 403 403 403 404 404 422",
    "GET /api/v1/checkpoints": API_SITE_REVIEWERS,
    "GET /api/v1/checkpoints/<name>": API_SITE_REVIEWERS,
    "GET /api/v1/checkpoints/<name>/card": "401 403 403 403 403 403 200",
    # Both models are asked for by name.
    "GET /api/v1/model-comparisons": "401 422 422 422 422 422 422",
    "POST /api/v1/model-comparisons": "401 422 422 422 422 422 422",
    "GET /api/v1/model-comparisons/<comparison_id>": "401 403 403 403 403 403 200",
    "GET /api/v1/deployments": API_SITE_REVIEWERS,
}

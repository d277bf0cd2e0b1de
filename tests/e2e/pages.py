"""Every page worth looking at, and what to do on it before one looks."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from accounts.audit.verifying import audit_verify
from accounts.models import User
from alignment.models import Program
from tests.e2e.sample_models import newest_policy, two_compared
from tests.e2e.sample_site import SampleSite
from webhooks.models import Endpoint

NOTHING_TO_DO: Callable[[Page], None] = lambda page: None  # noqa: E731


@dataclass(frozen=True, kw_only=True)
class Look:
    """One page as one person sees it."""

    name: str
    path: str
    person: User | None
    prepare: Callable[[Page], None] = NOTHING_TO_DO
    height: int = 900
    """Of the window."""


def looks(site: SampleSite) -> list[Look]:
    """All of them; those of one person together."""
    slug, admin, annotator = site.project.slug, site.admin, site.annotator
    examples = f"/projects/{slug}/guidelines/examples/"
    compare = f"/projects/{slug}/annotate/"
    documents = f"/projects/{slug}/documents/"
    return [
        Look(name="login", path="/login/", person=None),
        Look(name="home-newcomer", path="/", person=site.newcomer),
        Look(name="forbidden", path=f"/projects/{slug}/", person=annotator),
        Look(name="home-annotator", path="/", person=annotator),
        Look(name="compare", path=compare, person=annotator, prepare=_wait_for_comparison),
        Look(name="compare-chosen", path=compare, person=annotator, prepare=_choose),
        Look(name="compare-editing", path=compare, person=annotator, prepare=_edit),
        Look(name="compare-difference", path=compare, person=annotator, prepare=_difference),
        Look(name="compare-refining", path=compare, person=annotator, prepare=_refine),
        Look(name="compare-first-prompt", path=compare, person=annotator, prepare=_begin),
        Look(name="compare-guidelines", path=compare, person=annotator, prepare=_guidelines),
        Look(name="compare-help", path=compare, person=annotator, prepare=_help),
        Look(name="compare-flag", path=compare, person=annotator, prepare=_flag),
        Look(name="compare-formulas", path=compare, person=annotator, prepare=_next),
        Look(name="comparison", path=compare, person=annotator, prepare=_edit_the_formulas, height=1280),
        Look(name="compare-arabic", path=compare, person=annotator, prepare=_next),
        Look(name="compare-chinese", path=compare, person=annotator, prepare=_next),
        Look(name="compare-long-words", path=compare, person=annotator, prepare=_next),
        Look(name="compare-nothing", path=compare, person=annotator, prepare=_last),
        Look(name="sensitive", path="/projects/red-team/annotate/", person=annotator),
        Look(name="compare-sensitive", path="/projects/red-team/annotate/", person=annotator, prepare=_agree),
        Look(name="own-work-nothing", path="/work/", person=annotator),
        Look(name="documents-read", path=f"{documents}{site.documents.pk}/read/", person=annotator),
        Look(
            name="documents-revealed",
            path=f"{documents}{site.documents.pk}/read/",
            person=annotator,
            prepare=_reveal,
        ),
        Look(name="account", path="/account/", person=annotator),
        Look(name="password", path="/account/password/", person=annotator),
        Look(name="second-factor", path="/account/second-factor/", person=annotator),
        Look(name="second-factor-app", path="/account/second-factor/app/", person=annotator),
        Look(name="passkey-add", path="/account/second-factor/passkeys/add/", person=annotator),
        Look(name="own-work", path="/work/", person=site.colleague),
        Look(name="own-judgements", path=f"/work/{slug}/", person=site.colleague, prepare=_open_all),
        Look(name="compare-unsafe", path=compare, person=site.colleague, prepare=_unsafe),
        Look(name="compare-changes", path=compare, person=site.colleague, prepare=_changes),
        Look(name="home-admin", path="/", person=admin),
        Look(name="projects", path="/projects/", person=admin),
        Look(name="project-new", path="/projects/new/", person=admin),
        Look(name="project", path=f"/projects/{slug}/", person=admin),
        Look(name="project-prompts", path=f"/projects/{slug}/prompts/", person=admin),
        Look(name="project-weights", path=f"/projects/{slug}/prompts/weights/", person=admin),
        Look(name="project-people", path=f"/projects/{slug}/people/", person=admin),
        Look(name="project-flagged", path=f"/projects/{slug}/flagged/", person=admin),
        Look(name="project-progress", path=f"/projects/{slug}/progress/", person=admin),
        Look(name="project-reports", path=f"/projects/{slug}/reports/", person=admin),
        Look(name="project-data", path=f"/projects/{slug}/data/", person=admin, prepare=_open_all),
        Look(name="project-quality", path=f"/projects/{slug}/quality/", person=admin, prepare=_open_all),
        Look(name="edits-lost", path=f"/projects/{slug}/quality/edits/", person=admin),
        Look(name="project-checks", path=f"/projects/{slug}/checks/", person=admin, prepare=_open_all),
        Look(
            name="project-conflicts", path=f"/projects/{slug}/disagreements/", person=admin, prepare=_open_all
        ),
        Look(name="documents", path=documents, person=admin),
        Look(
            name="documents-results",
            path=f"{documents}{site.documents.pk}/",
            person=admin,
            prepare=_open_all,
        ),
        Look(name="project-decided", path=f"/projects/{slug}/disagreements/?show=decided", person=admin),
        Look(name="member", path=f"/projects/{slug}/people/{site.qualified.pk}/", person=admin),
        Look(name="project-settings", path=f"/projects/{slug}/settings/", person=admin),
        Look(name="deployments", path=f"/projects/{slug}/deployments/", person=admin),
        Look(name="deployments-under-way", path="/projects/history/deployments/", person=admin),
        Look(name="notifications", path="/account/notifications/", person=admin),
        Look(name="invitations", path="/invitations/", person=admin, prepare=_invite),
        Look(name="audit", path=_sealed_log(), person=admin),
        Look(name="disk", path="/disk/", person=admin),
        Look(name="webhooks", path="/webhooks/", person=admin),
        Look(name="webhook", path=f"/webhooks/{Endpoint.objects.get(user=None).pk}/", person=admin),
        Look(name="erase", path="/erase/", person=admin, prepare=_plan_to_erase),
        Look(name="guidelines-history", path=f"/projects/{slug}/guidelines/history/", person=admin),
        Look(name="guideline-examples", path=examples, person=admin, prepare=_write_example),
        Look(name="models", path="/models/", person=admin),
        Look(name="model", path=f"/models/{site.checkpoint.pk}/", person=admin),
        Look(name="model-history", path=f"/models/{newest_policy().pk}/", person=admin, prepare=_open_all),
        Look(name="model-card", path=f"/models/{newest_policy().pk}/card/", person=admin, prepare=_open_all),
        Look(name="models-compare", path=two_compared(), person=admin),
        Look(name="tokens", path=f"/models/{site.checkpoint.pk}/tokens/", person=admin),
        Look(name="rounds", path="/rounds/", person=admin),
        Look(name="round-gate", path=f"/rounds/{site.gate.round_id}/", person=admin),
        Look(name="gate-pairs", path=f"/stages/{site.gate.pk}/pairs/", person=admin),
        Look(name="round", path=f"/rounds/{site.round.pk}/", person=admin, prepare=_open_all),
        Look(name="program", path=f"/programs/{_running(site).pk}/", person=admin),
        Look(name="round-new", path="/rounds/new/", person=admin, prepare=_forecast),
        Look(name="round-rerun", path=f"/rounds/{site.round.pk}/rerun/", person=admin),
        Look(name="not-found", path="/nowhere/", person=admin),
    ]


def _sealed_log() -> str:
    """The audit log, its chain verified."""
    audit_verify()
    return "/audit/"


def _running(site: SampleSite) -> Program:
    """A program in the middle."""
    return Program.objects.filter(stage__round=site.round, state=Program.State.RUNNING)[0]


def _open_all(page: Page) -> None:
    """Open what lies behind a summary."""
    page.locator("main").evaluate(
        "(main) => main.querySelectorAll('details').forEach((each) => each.open = true)"
    )


def _reveal(page: Page) -> None:
    if page.get_by_role("button", name="What did the filters say?").count():
        with page.expect_navigation():  # until it is all there, its style sheets too
            page.get_by_role("button", name="What did the filters say?").click()
    page.get_by_text("The filters kept it.").or_(page.get_by_text("The filters dropped it:")).wait_for()


def _invite(page: Page) -> None:
    page.locator("#id_note").fill("Ann, from the new team")
    page.get_by_role("button", name="Make the link").click()
    page.get_by_text("Copy its link now").wait_for()


def _plan_to_erase(page: Page) -> None:
    page.get_by_label("Username or number").fill("aiko")
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_role("button", name="Erase for good").wait_for()


def _wait_for_comparison(page: Page) -> None:
    page.locator("[data-comparison]").wait_for()


def _choose(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("2")
    page.get_by_text("Draft saved").wait_for()


def _edit(page: Page) -> None:
    _choose(page)
    page.keyboard.press("e")
    field = page.get_by_label("The edited answer")
    text = field.input_value()
    changed = text.replace(
        "Use a dictionary: since Python 3.7 it keeps", "A dictionary works, because it keeps"
    )
    field.fill(changed.replace("hashable", "hashable (immutable)"))
    page.get_by_text("Draft saved").wait_for()
    field.evaluate("(element) => element.closest('.editor').scrollIntoView({block: 'center'})")


def _refine(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("2")
    page.keyboard.press("r")
    page.get_by_label("What should change?").fill("Shorter, and say which version of Python it needs.")
    page.get_by_text("Draft saved").wait_for()
    page.locator("#refine").evaluate("(element) => element.scrollIntoView({block: 'center'})")


def _begin(page: Page) -> None:
    _wait_for_comparison(page)
    page.locator(".turns-item").first.wait_for()
    page.keyboard.press("p")
    page.get_by_role("button", name="Draw one from the set").click()
    page.locator(".first-prompt-about:not(:empty)").wait_for()


def _edit_the_formulas(page: Page) -> None:
    """What README shows: a choice, and an edit with its difference."""
    _wait_for_comparison(page)
    page.keyboard.press("7")
    page.keyboard.press("e")
    field = page.get_by_label("The edited answer")
    text = field.input_value().replace("Seen as a picture: each", "As a picture, each")
    field.fill(text.replace("both sides are $1$", "both sides are $1$, so the claim holds"))
    page.keyboard.press("Escape")
    page.get_by_text("Draft saved").wait_for()
    page.evaluate("scrollTo(0, 0)")


def _agree(page: Page) -> None:
    """To sensitive content, if that has not been done in another look."""
    agree = page.get_by_role("button", name="I agree to see it")
    if agree.count():
        agree.click()
    _wait_for_comparison(page)


def _difference(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("d")


def _guidelines(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("g")


def _unsafe(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("u")
    page.get_by_role("group", name="The right answer has").get_by_text("Dangerous advice").click()
    page.locator("#safety").evaluate("(element) => element.scrollIntoView({block: 'center'})")


def _write_example(page: Page) -> None:
    _open_all(page)
    page.get_by_label("Prompt", exact=True).fill("Name three primes.")
    page.get_by_label("Left answer").fill("2, 3 and 5.")
    page.get_by_label("Why").fill("It is *right*.")
    page.locator("#example-preview").get_by_text("2, 3 and 5.").wait_for()


def _changes(page: Page) -> None:
    """Of the guidelines; they are read after that."""
    _wait_for_comparison(page)
    see = page.get_by_role("button", name="See what changed")
    if see.is_visible():
        see.click()
    else:
        page.keyboard.press("g")


def _help(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("?")


def _flag(page: Page) -> None:
    _wait_for_comparison(page)
    page.keyboard.press("f")


def _next(page: Page) -> None:
    """Skip to the next comparison."""
    _wait_for_comparison(page)
    number = page.locator("[data-comparison]").get_attribute("data-comparison")
    page.keyboard.press("s")
    page.locator("#skip-dialog").get_by_role("button", name="Skip").click()
    page.locator(f"[data-comparison]:not([data-comparison='{number}']), [data-nothing]").wait_for()


def _last(page: Page) -> None:
    _next(page)
    page.get_by_text("All caught up").first.wait_for()


def _forecast(page: Page) -> None:
    """Choose everything, change a number, and wait for what a launch would find."""
    page.locator("#id_project").select_option("helpful")
    page.locator("#id_base").select_option("small-base")
    page.locator("#id_num_candidates").fill("16")
    page.get_by_text("Every number, as it will run").wait_for()

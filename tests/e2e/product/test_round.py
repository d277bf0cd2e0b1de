"""A whole round on the running product: from the command line, and launched and watched in the browser."""

import json
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import window
from tests.e2e.product.recipes import toy_recipe, write_recipe
from tests.e2e.product.stack import RunningStack, write_preferences, write_prompts

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ROUND_SECONDS = 600


@pytest.fixture(scope="module")
def project(running_stack: RunningStack, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project with prompts, imported judgements and two live models."""
    folder = tmp_path_factory.mktemp("project")
    manage = running_stack.manage
    manage("create_project", "colours", "--name", "Colours")
    manage("import_prompts", write_prompts(folder / "prompts.jsonl"), "--project", "colours")
    manage("import_preferences", write_preferences(folder / "preferences.jsonl"), "--project", "colours")
    manage("deploy_models", base, f"{base}-initial", "--project", "colours")
    return "colours"


@pytest.mark.browser
def test_an_admin_launches_a_round_in_the_browser_and_sees_it_finish(
    running_stack: RunningStack, project: str, base: str, browser: Browser
) -> None:
    with window(browser, running_stack.state.web_url) as admin:
        admin.log_in("admin", running_stack.admin_password)
        admin.open("/rounds/new/")
        page = admin.page
        page.get_by_label("Project").select_option(project)
        page.get_by_label("Base").select_option(base)
        page.get_by_text("Change numbers of the recipe").click()
        page.get_by_label("Recipe in full").fill(toy_recipe().model_dump_json())
        page.get_by_role("button", name="Launch").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Colours, round 1")
        live = page.locator("#round-live")
        page.wait_for_function(
            "!document.querySelector('#round-live').hasAttribute('hx-get')", timeout=ROUND_SECONDS * 1000
        )
        expect(live.get_by_text("Reward model, held-out accuracy")).to_be_visible()
        page.get_by_role("link", name="variant-1").first.click()
        expect(page.get_by_role("heading", name="Result")).to_be_visible()
        assert not admin.problems


def test_the_next_round_collects_judgements_over_http_from_the_models_just_deployed(
    running_stack: RunningStack, project: str, base: str, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path / "recipe.json", toy_recipe(num_comparisons=6))
    running_stack.manage(
        "create_annotators", "--project", project, "--count", "1", "--tokens", tmp_path / "t.json"
    )
    launched = running_stack.manage("launch_round", "--project", project, "--base", base, "--recipe", recipe)
    assert "round 2" in launched.stdout
    judged = _judge(running_stack, project, json.loads((tmp_path / "t.json").read_text())[0]["token"], 6)
    assert judged == 6
    report = _wait(running_stack, 2)
    assert report["state"] == "finished", report
    assert report["judgements"] == 6
    assert set(report["evaluation"]["win_rate"]) == {"previous", "base"}


def test_a_checkpoint_can_be_walked_back_to_its_base(running_stack: RunningStack, project: str) -> None:
    listed = running_stack.manage(
        "shell",
        "-c",
        "from registry.models import Checkpoint as C; c = C.objects.get(name='colours-r1-averaging-average');"
        "seen = [];\n"
        "while c: seen.append(c.name); c = c.parents.order_by('name').first()\n"
        "print(seen)",
    )
    assert "'toy'" in listed.stdout


def _judge(running_stack: RunningStack, project: str, token: str, count: int) -> int:
    """Judge `count` comparisons over HTTP; how many were accepted."""
    accepted = 0
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=running_stack.state.web_url + "/api/v1", headers=headers, timeout=30
    ) as client:
        for attempt in range(600):
            answer = client.post(f"/projects/{project}/next")
            if answer.status_code == 204:
                time.sleep(0.5)
                continue
            comparison = answer.raise_for_status().json()["comparison"]
            assert "model" not in json.dumps(comparison)
            judged = client.post(
                f"/comparisons/{comparison['id']}/judgement",
                headers={"Idempotency-Key": f"key-{attempt}"},
                json={
                    "lease": comparison["lease"],
                    "preferred": "left",
                    "strength": "better",
                    "edited": None,
                    "reasons": [],
                    "comment": "",
                    "seconds": 3,
                },
            )
            assert judged.status_code == 201, judged.text
            accepted += 1
            if accepted == count:
                break
    return accepted


def _wait(running_stack: RunningStack, number: int) -> dict[str, object]:
    """The report of round `number` once it has ended."""
    code = (
        "import json; from alignment.models import Round; from alignment.selectors import round_report;"
        f"print(json.dumps(round_report(Round.objects.get(number={number}))))"
    )
    for _ in range(ROUND_SECONDS // 3):
        report: dict[str, object] = json.loads(
            running_stack.manage("shell", "-c", code).stdout.splitlines()[-1]
        )
        if report["state"] != "running":
            return report
        time.sleep(3)
    raise AssertionError("The round did not end.")

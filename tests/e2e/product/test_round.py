"""A whole round launched by an admin in the browser, while an annotator judges over HTTP.

Goes on from where the README's commands (test_readme.py) leave the stack: a base, a project with imported
judgements, and two models of a first round that are live.
"""

import json
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import window
from tests.e2e.product.recipes import toy_recipe
from tests.e2e.product.stack import RunningStack

pytestmark = [pytest.mark.vllm, pytest.mark.browser, pytest.mark.slow]

PROJECT = "helpful"
NUM_COMPARISONS = 6
ROUND_SECONDS = 600


def test_an_admin_launches_a_round_in_the_browser_and_sees_it_finish(
    running_stack: RunningStack, browser: Browser, tmp_path: Path
) -> None:
    manage = running_stack.manage
    manage("create_annotators", "--project", PROJECT, "--count", "1", "--tokens", tmp_path / "tokens.json")
    token = json.loads((tmp_path / "tokens.json").read_text())[0]["token"]
    with window(browser, running_stack.state.web_url) as admin:
        admin.log_in("admin", running_stack.admin_password)
        admin.open("/rounds/new/")
        page = admin.page
        page.get_by_label("Project").select_option(PROJECT)
        page.get_by_label("Base").select_option("my-base")
        page.get_by_text("Change numbers of the recipe").click()
        recipe = toy_recipe(num_comparisons=NUM_COMPARISONS)
        page.get_by_label("Recipe in full").fill(recipe.model_dump_json())
        page.get_by_role("button", name="Launch").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Helpful answers, round 2")
        judge(running_stack, token, NUM_COMPARISONS)
        # The part that changes asks for itself again until the round has ended.
        expect(page.locator("#round-live[hx-get]")).to_have_count(0, timeout=ROUND_SECONDS * 1000)
        live = page.locator("#round-live")
        expect(live.get_by_text("Finished", exact=True).first).to_be_visible()
        expect(live.get_by_text("Reward model, held-out accuracy")).to_be_visible()
        expect(live.get_by_text("Proxy win rate over the previous")).to_be_visible()
        page.get_by_role("link", name="variant-1").first.click()
        expect(page.get_by_role("heading", name="Result")).to_be_visible()
        assert not admin.problems


def test_a_policy_can_be_walked_back_to_its_base_and_to_the_judgements_in_it(
    running_stack: RunningStack,
) -> None:
    code = (
        "from alignment.models import Round; from registry.models import Checkpoint;"
        "c = Checkpoint.objects.get(name='helpful-r2-averaging-average'); names = []\n"
        "while c: names.append(c.name); c = c.parents.exclude(kind='reward_model').order_by('name').first()\n"
        "judged = Round.objects.get(number=2).snapshot.judgements.filter(comparison__round=2)\n"
        "print(names[-1], judged.count())"
    )
    name, judgements = running_stack.manage("shell", "-c", code).stdout.split()[-2:]
    assert name == "my-base"
    assert 1 <= int(judgements) <= NUM_COMPARISONS


def judge(running_stack: RunningStack, token: str, count: int) -> None:
    """Judge `count` comparisons over HTTP, as the models' answers come."""
    headers = {"Authorization": f"Bearer {token}"}
    url = running_stack.state.web_url + "/api/v1"
    accepted = 0
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        deadline = time.monotonic() + ROUND_SECONDS
        while accepted < count and time.monotonic() < deadline:
            answer = client.post(f"/projects/{PROJECT}/next").raise_for_status()
            if answer.status_code == httpx.codes.NO_CONTENT:
                time.sleep(0.5)
                continue
            comparison = answer.json()["comparison"]
            assert "model" not in comparison and "model" not in comparison["left"]
            judged = client.post(
                f"/comparisons/{comparison['id']}/judgement",
                headers={"Idempotency-Key": f"key-{accepted}"},
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
            assert judged.status_code == httpx.codes.CREATED, judged.text
            accepted += 1
    assert accepted == count

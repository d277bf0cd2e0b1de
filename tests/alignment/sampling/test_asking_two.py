"""Two models that no evaluation asked are asked together, by real vLLM, and stand side by side."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Role
from accounts.services import user_create
from alignment.model_comparing import model_comparison_request
from alignment.models import Program
from alignment.running import program_claim, program_run
from annotation.models import Prompt
from annotation.services import project_create
from registry.models import Checkpoint
from registry.services import checkpoint_register
from tests.alignment.sampling.conftest import Models

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("broker"),
]


def test_two_models_are_asked_and_shown_side_by_side(
    models: Models, tmp_path: Path, settings: Settings, client: Client
) -> None:
    settings.ACCORD_RUNS = tmp_path / "runs"
    made = [
        checkpoint_register(name=name, kind=kind, path=path, produced_by="test")
        for name, kind, path in (
            ("one", Checkpoint.Kind.BASE, models.policy),
            ("two", Checkpoint.Kind.BASE, models.other),
            ("rm", Checkpoint.Kind.REWARD_MODEL, models.reward_model),
        )
    ]
    project = project_create(slug="p", name="P")
    for number in range(6):
        Prompt.objects.create(
            project=project,
            external_id=f"h{number}",
            domain="sums",
            language="en",
            split="holdout",
            context=[{"role": "user", "content": f"{number}?"}],
        )
    asked = model_comparison_request(
        made[0], made[1], project=project, reward_model=made[2], num_prompts=5, actor=None
    )
    claimed = program_claim(asked.program_id, asked.program.attempt)
    assert claimed is not None
    program_run(claimed)
    program = Program.objects.get(pk=asked.program_id)
    assert program.state == "finished", program.error
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    text = client.get("/models/compare/?a=two&b=one").content.decode()
    assert "5 prompts that both answered, scored by rm" in text
    assert program.done == program.total == 10

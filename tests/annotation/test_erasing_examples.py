"""Examples under the guidelines that were made from somebody's record are erased with it."""

import pytest

from accounts.models import Role
from annotation.models import GuidelineExample, Prompt
from annotation.services.erasing import ERASED, prompt_erase
from annotation.services.guidelines import guideline_example_save
from tests.annotation.factories import make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db


def test_an_example_made_of_an_erased_record_is_shown_no_more() -> None:
    project = make_project()
    boss = make_annotator(project, "boss", Role.ADMIN)
    make_comparison(project, "Where does Berengaria keep her violin?")
    texts = [
        ("Where does Berengaria keep her violin? (shortened)", "In the attic."),
        ("What is a violin?", "A string instrument."),
    ]
    for prompt, left in texts:
        example = GuidelineExample(
            project=project, prompt=prompt, left=left, right="No idea.", preferred="left", strength="better"
        )
        example.why = "It answers."
        guideline_example_save(example, actor=boss)
    erasure = prompt_erase(Prompt.objects.get(), actor=boss)
    assert erasure.rows["guideline examples"] == 1
    assert [(each.prompt, each.active) for each in GuidelineExample.objects.order_by("pk")] == [
        (ERASED, False),
        ("What is a violin?", True),
    ]

"""Many people at once who might get an edit to judge again, on real connections: no more do than are to."""

from functools import partial

import pytest

from annotation.models import Assignment, Check, Judgement, Project
from annotation.services import comparison_ahead, comparison_next, edit_checks
from tests.annotation.factories import make_comparisons, make_project
from tests.annotation.test_edit_checks import EDITED, someone
from tests.annotation.test_leasing_together import all_at_once, people

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("num_people", [1, 2])
def test_an_edit_is_never_handed_to_more_people_than_are_to_judge_it(
    num_people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_checks, "MOST", 1.0)
    project = make_project(edit_share=1.0)
    Project.objects.filter(pk=project.pk).update(edit_people=num_people)
    project.refresh_from_db()
    make_comparisons(project, 2)
    editor = someone(project, "editor")
    for _ in range(2):
        assert editor.judge(editor.next(project), edited=EDITED).status == 201
    make_comparisons(project, 16)
    annotators = people(project)
    for ask in (comparison_next, comparison_ahead):
        handed = all_at_once([partial(ask, project, person) for person in annotators])
        assert all(handed), "nobody comes away empty-handed"
        checks = Check.objects.filter(kind="edit")
        held = [
            Assignment.objects.filter(of_check=check, state__in=["active", "reserved"]) for check in checks
        ]
        assert all(holders.count() <= num_people for holders in held)
    assert [holders.count() for holders in held] == [num_people] * 2, "and none is left over"
    assert Judgement.objects.count() == 2

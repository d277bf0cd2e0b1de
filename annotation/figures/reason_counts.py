"""How often people gave each reason: what a project's reports show."""

from django.db import connection

from annotation.models import Project
from annotation.tags import labelled_counts

COUNTS = """
SELECT reason.value, count(*)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
CROSS JOIN LATERAL jsonb_array_elements_text(j.reasons) AS reason (value)
WHERE c.project_id = %(project)s AND c.state IN ('open', 'full')
  AND j.standing IN ('counted', 'decision') AND j.reasons <> '[]'
  AND (%(round)s::integer IS NULL OR c.round = %(round)s::integer)
GROUP BY reason.value
ORDER BY count(*) DESC, reason.value
"""


def reason_counts(project: Project, round_number: int | None = None) -> list[tuple[str, int]]:
    """Label and number of judgements, the most frequent first, as `labelled_counts` has them."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"project": project.pk, "round": round_number})
        found = dict(cursor.fetchall())
    return labelled_counts(found, project.reasons)

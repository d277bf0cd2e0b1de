"""How often answers were called unsafe, by category: what a project's reports show."""

from django.db import connection

from annotation.models import Project
from annotation.tags import labelled_counts

# An answer counts once a judgement; what people say of both answers counts twice.
COUNTS = """
SELECT category.value, count(*)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
CROSS JOIN LATERAL jsonb_each(j.safety) AS side (name, categories)
CROSS JOIN LATERAL jsonb_array_elements_text(side.categories) AS category (value)
WHERE c.project_id = %(project)s AND c.state IN ('open', 'full') AND j.safety <> '{}'
  AND j.standing IN ('counted', 'decision')
  AND (%(round)s::integer IS NULL OR c.round = %(round)s::integer)
GROUP BY category.value
ORDER BY count(*) DESC, category.value
"""


def safety_counts(project: Project, round_number: int | None = None) -> list[tuple[str, int]]:
    """As `labelled_counts`, of answers, most first; empty where nothing was ever called unsafe."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"project": project.pk, "round": round_number})
        found = dict(cursor.fetchall())
    return labelled_counts(found, project.safety_categories) if found else []

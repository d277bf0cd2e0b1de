"""Guidelines that have changed since the annotator read them, with examples in several scripts."""

from accounts.models import User
from annotation.models import GuidelineExample, Judgement, Membership, Project
from annotation.services.administration import project_update
from annotation.services.guidelines import guideline_example_save

EXAMPLES = (
    (
        "What is $7 \\times 8$? Answer with the number alone.",
        "**56**",
        "Let us see. $7 \\times 8$ is the same as $7 \\times 4 \\times 2$, and so we arrive at 56.",
        "left",
        "better",
        "Both are right, but only the left one *does what was asked*.",
    ),
    (
        "ما هي عاصمة المغرب؟",
        "الدار البيضاء هي عاصمة المغرب.",
        "عاصمة المغرب هي **الرباط**؛ أما الدار البيضاء فهي أكبر مدنه.",
        "right",
        "significantly_better",
        "Facts come first: the left answer is fluent and wrong.",
    ),
    (
        "请用一句话介绍你自己。",
        "我是一个语言模型，可以回答问题、写作和翻译。",
        "我是语言模型。" + "很高兴认识你！" * 12,
        "left",
        "slightly_better",
        "One sentence was asked for.",
    ),
)


def make_guidelines(project: Project, *, actor: User, reader: User) -> None:
    """A second version, which `reader` has not read, the examples, and some flags."""
    for position, (prompt, left, right, preferred, strength, why) in enumerate(EXAMPLES):
        guideline_example_save(
            GuidelineExample(
                project=project,
                prompt=prompt,
                left=left,
                right=right,
                preferred=preferred,
                strength=strength,
                why=why,
                position=position,
                active=position < 2,
            ),
            actor=actor,
        )
    for judgement in Judgement.objects.filter(comparison__project=project).order_by("pk")[:5]:
        flags = {"left": [], "right": ["bad_advice", "hate"] if judgement.pk % 2 else ["bad_advice"]}
        Judgement.objects.filter(pk=judgement.pk).update(safety=flags)
    Membership.objects.filter(project=project).exclude(user=reader).update(guidelines_read=2)
    text = project.guidelines.replace("right", "right and complete", 1)
    project_update(project, actor=actor, guidelines=f"{text}\n\nIf both are wrong, prefer the shorter one.")

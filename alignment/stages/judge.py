"""Where the judge that a recipe names answers."""

from django.conf import settings

from accounts.errors import Invalid
from alignment.programs import JudgeConfig
from alignment.quality.recipe import JudgeRecipe
from registry.models import Deployment


def judge_config(recipe: JudgeRecipe | None, *, named_in: str) -> JudgeConfig | None:
    """How a program reaches the judge that the recipe's field `named_in` names; None for none.

    Raises Invalid where its deployment is not live. A deployed model of ours asks for no key, so it is
    not told any.
    """
    if recipe is None:
        return None
    settled = {"code_domains": recipe.code_domains, "num_at_once": recipe.num_at_once}
    if recipe.url is not None:
        return JudgeConfig.model_validate(
            {
                **settled,
                "url": recipe.url,
                "model": recipe.model,
                "key_file": settings.ACCORD_JUDGE_KEY_FILE,
            }
        )
    live = Deployment.objects.filter(name=recipe.deployment, state=Deployment.State.LIVE).first()
    if live is None:
        raise Invalid(
            f"There is no live deployment {recipe.deployment!r} to judge: deploy it, name another in "
            f"{named_in}.deployment, or leave {named_in} out."
        )
    return JudgeConfig.model_validate({**settled, "url": f"{live.base_url}/v1", "model": live.served_name})

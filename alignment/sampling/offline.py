"""vLLM's offline parts, imported the one way that works: after its environment is set.

The programs import torch and vLLM from here and nowhere else. The garbage collector rests meanwhile: with
5,000 modules coming in it would walk a growing heap again and again (2 of 11 s). Later it passes over all
that came in, also in forked workers.
"""

import atexit
import gc

from alignment.sampling.environment import prepare_environment

# One thread to begin with; an engine that wants more asks torch for them.
prepare_environment(num_threads=1)
gc.disable()

import torch  # noqa: E402
from vllm import LLM, ModelRegistry, PoolingParams, SamplingParams  # noqa: E402
from vllm.model_executor.models.llama import LlamaForCausalLM  # noqa: E402

gc.freeze()
gc.enable()
# Else torch's extension modules complain of leaks at the end.
atexit.register(gc.unfreeze)

__all__ = ["LLM", "LlamaForCausalLM", "ModelRegistry", "PoolingParams", "SamplingParams", "torch"]

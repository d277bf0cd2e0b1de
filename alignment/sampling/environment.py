"""vLLM's environment: what must stand in os.environ before vLLM or torch is imported.

The one place of the sampling programs that writes the environment. What the caller's environment already
says wins, except for the number of OpenMP threads: that is an engine's, not the program's.
"""

import os

ENVIRONMENT = {
    # The engine lives in the program: no second process that imports everything again (10 s).
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Several programs share the cores: vLLM must not pin its threads to the same ones.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Idle OpenMP threads sleep. Spinning ones took 10 s for a step of 0.5 s on two busy cores.
    "OMP_WAIT_POLICY": "passive",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def prepare_environment(*, num_threads: int, **more: str) -> None:
    """Set what vLLM needs, for this process and those it starts. Comes too late for imported parts."""
    for name, value in (ENVIRONMENT | more).items():
        os.environ.setdefault(name, value)
    os.environ["OMP_NUM_THREADS"] = str(num_threads)

"""`python -m alignment.sampling.harness run.json`: public benchmarks, by EleutherAI's lm-evaluation-harness.

Comes in: a checkpoint folder and the names of tasks. Goes out: the result that HarnessConfig describes, and
the harness' own table as `harness.md`. The harness is an optional extra, imported here and nowhere else.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from alignment.canary import engine_precision
from alignment.programs import HARNESS_TABLE, EngineConfig, HarnessConfig
from alignment.sampling.environment import prepare_environment
from alignment.sampling.options import engine_options, model_limit
from pretrain.run import ProgramError, RunFolder, program_main, write_atomically

NOT_INSTALLED = (
    "lm-eval is not installed: install the extra with `.venv/bin/pip install 'lm-eval==0.4.13'` (or "
    "`pip install 'accord[lm-eval]'` where Accord is a package), where the workers run."
)
STANDARD_ERROR = "_stderr"
"""How the harness marks a metric's standard error."""


def run(config: HarnessConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError without the harness, a model or the tasks."""
    prepare_environment(num_threads=config.num_threads)
    harness = imported_harness()
    if config.backend == "vllm":
        refuse_renamed_vllm()
    tasks = harness.tasks.TaskManager(
        include_path=None if config.task_folder is None else str(config.task_folder)
    )
    unknown = [name for name in config.tasks if name not in tasks.all_tasks]
    if unknown:
        raise ProgramError(
            f"lm-eval knows no task {', '.join(unknown)}: look at `lm-eval ls tasks`, or name the folder "
            "that has their YAML files as task_folder."
        )
    folder.progress(0, len(config.tasks), "tasks")
    try:
        found = harness.simple_evaluate(
            model=config.backend,
            model_args=model_arguments(config),
            tasks=list(config.tasks),
            task_manager=tasks,
            num_fewshot=config.num_fewshot,
            limit=config.limit,
            batch_size=config.batch_size,
            device=None if config.backend == "vllm" else config.device,
            apply_chat_template=config.chat,
            log_samples=False,
        )
    except (ConnectionError, FileNotFoundError) as error:
        raise ProgramError(
            f"The data of {', '.join(config.tasks)} is not on this machine ({error}): let it be downloaded "
            "once (`manage.py lm_eval --download`), or give tasks whose data is in files of your own."
        ) from error
    write_atomically(folder.path / HARNESS_TABLE, harness.utils.make_table(found) + "\n")
    folder.progress(len(config.tasks), len(config.tasks), "tasks")
    folder.finish(
        {
            "lm_eval": harness.__version__,
            "backend": config.backend,
            "tasks": {
                name: task_figures(found["results"][name], found["n-samples"].get(name, {}))
                for name in found["results"]
            },
        }
    )


def imported_harness() -> Any:  # Any: an untyped library
    """The harness with the parts that are used. Raises ProgramError where it is not installed."""
    try:
        # Here and not above: an optional extra.
        import lm_eval  # noqa: PLC0415
        import lm_eval.tasks  # noqa: PLC0415
        import lm_eval.utils  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ProgramError(f"{NOT_INSTALLED} ({error})") from error
    return lm_eval


def refuse_renamed_vllm() -> None:
    """lm-eval looks vLLM up by its package's name, which its build for CPUs does not have."""
    try:
        version("vllm")
    except PackageNotFoundError as error:
        raise ProgramError(
            "lm-eval's vllm backend wants the package vllm itself, which runs on GPUs; the one here is its "
            "build for CPUs under another name: use --backend hf."
        ) from error


def model_arguments(config: HarnessConfig) -> dict[str, Any]:  # Any: arguments of many types
    """What the harness tells its backend, so that the model runs as it does in Accord's own programs."""
    folder = config.checkpoint
    limit = model_limit(folder, EngineConfig(max_model_len=config.max_model_len))
    shared = {"pretrained": str(folder), "dtype": engine_precision(folder)}
    if config.backend == "hf":
        return {**shared, "max_length": limit}
    engine = EngineConfig(num_threads=config.num_threads, max_model_len=config.max_model_len)
    options = engine_options(folder, engine, num_engines=1, on_cpu=config.device == "cpu")
    return {**shared, **{name: value for name, value in options.items() if name not in ("model", "dtype")}}


def task_figures(result: Mapping[str, Any], number: Mapping[str, int]) -> dict[str, Any]:  # Any: JSON
    """{"num_examples", "metrics": {name: {"value", "standard_error"}}} of the harness' result of a task.

    The harness writes "metric,filter"; the filter is named only where it is not "none".
    """
    metrics: dict[str, dict[str, float | None]] = {}
    for key, value in result.items():
        name, comma, kind = key.partition(",")
        if not comma or not isinstance(value, int | float) or name.endswith(STANDARD_ERROR):
            continue
        error = result.get(f"{name}{STANDARD_ERROR}{comma}{kind}")
        metrics[name if kind == "none" else f"{name} ({kind})"] = {
            "value": float(value),
            "standard_error": float(error) if isinstance(error, int | float) else None,
        }
    return {"num_examples": number.get("effective"), "metrics": metrics}


if __name__ == "__main__":
    program_main(HarnessConfig, run)

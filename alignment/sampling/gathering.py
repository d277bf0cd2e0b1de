"""`python -m alignment.sampling.gathering run.json`: the shards of rejection sampling become one.

Comes in: the run folders of the shards. Goes out: the file of CandidateSets and the result that one program
would have left; only the seconds are the shards' own. No torch, no vLLM.
"""

from collections import defaultdict

from alignment.programs import GatherConfig, RejectionConfig
from alignment.records import CandidateSet
from alignment.rejection.figures import figures
from alignment.sampling.prompts import read_prompts
from annotation.records import read_records, write_records
from pretrain.run import ProgramError, RunFolder, load_config, program_main


def run(config: GatherConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError where a shard has not finished."""
    found: dict[str, CandidateSet] = {}
    seconds: defaultdict[str, float] = defaultdict(float)
    results = []
    for path in config.shards:
        shard = RunFolder(path)
        result = shard.read_result()
        if result is None:
            raise ProgramError(f"{path} has no result: let that shard finish first.")
        results.append(result)
        told = load_config(shard.config_path, RejectionConfig)
        found.update({each.prompt.id: each for each in read_records(told.out, CandidateSet)})
        for domain, each in result["domains"].items():
            seconds[domain] += each["seconds"]
        folder.progress(len(results), len(config.shards), "shards")
    assert len(found) == sum(result["num_prompts"] for result in results), "a prompt in two shards"
    ordered = [found[prompt.id] for prompt in read_prompts(told.prompts) if prompt.id in found]
    write_records(config.out, ordered)
    folder.finish(
        {
            **figures(ordered, seconds),
            "num_skipped": results[0]["num_skipped"],
            "unmatched_domains": results[0]["unmatched_domains"],
        }
    )


if __name__ == "__main__":
    program_main(GatherConfig, run)

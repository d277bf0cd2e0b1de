"""`python -m alignment.sampling.outside_judge run.json`: what an outside judge says of a round's answers.

Comes in: the evaluation's SampledAnswers with their prompts, rejection sampling's CandidateSets, and where
the judge answers. Goes out: verdicts on pairs, each in both orders, grades of the K candidates of some
prompts, and the outside report that OutsideJudgeConfig describes. Every verdict and grade is written down as
it comes, so that a killed program asks nothing twice. Needs no model of its own: no torch, no vLLM.
"""

from collections.abc import Sequence

from alignment.outside import SAMPLED, judged_win_rates, scored_best_of_k
from alignment.pairwise import (
    VERDICT_FORM,
    AnswerPair,
    PairQuestion,
    Verdict,
    both_orders,
    digest,
    pair_messages,
    verdict_from,
)
from alignment.programs import OutsideJudgeConfig
from alignment.quality.judging import (
    Grade,
    UnusableReply,
    grade_from,
    points_form,
    quality_question,
    scale_for,
)
from alignment.records import CandidateSet, PromptRecord, SampledAnswer, SftExample
from alignment.sampling.asking import ask_all
from alignment.sampling.chat_endpoint import OTHERWISE, ChatEndpoint
from annotation.records import read_records
from pretrain.run import ProgramError, RunFolder, program_main

UNIT = "questions to the judge"


def run(config: OutsideJudgeConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError where the judge does not answer, or never usably."""
    pairs = read_pairs(config)
    sets = read_sets(config)
    questions = {
        question.id: question
        for pair in pairs
        if pair.candidate_answer != pair.other_answer
        for question in both_orders(pair)
    }
    examples = {
        grade_id(each, place): candidate_example(each, place)
        for each in sets
        for place in range(len(each.candidates))
    }
    domains = {
        grade_id(each, place): each.prompt.domain for each in sets for place in range(len(each.candidates))
    }
    total = len(questions) + len(examples)
    with ChatEndpoint(config.judge, otherwise=f"{OTHERWISE} gate.judge left out.") as endpoint:

        def judge_pair(question: PairQuestion) -> Verdict | None:
            try:
                return verdict_from(question, endpoint.reply(pair_messages(question), VERDICT_FORM))
            except UnusableReply:
                return None

        def grade(example: SftExample) -> Grade | None:
            scale = scale_for(domains[example.id], config.judge.code_domains)
            reply = endpoint.reply(quality_question(example, scale), points_form(scale))
            try:
                return grade_from(example.id, scale, reply)
            except UnusableReply:
                return None

        verdicts = ask_all(
            questions,
            judge_pair,
            Verdict,
            config.verdicts,
            num_at_once=config.judge.num_at_once,
            on_progress=lambda done: folder.progress(done, total, UNIT),
        )
        if questions and not verdicts:
            raise ProgramError(
                f"The judge {config.judge.model} gave no usable verdict on {len(questions)} questions: name "
                "another in gate.judge, or let people decide (gate.decided_by)."
            )
        grades = ask_all(
            examples,
            grade,
            Grade,
            config.grades,
            num_at_once=config.judge.num_at_once,
            on_progress=lambda done: folder.progress(len(questions) + done, total, UNIT),
        )
    scores = {
        (SAMPLED, each.prompt.id, place): found.quality
        for each in sets
        for place in range(len(each.candidates))
        if (found := grades.get(grade_id(each, place))) is not None
    }
    folder.finish(
        {
            "by": f"the judge {config.judge.model}",
            "win_rate": judged_win_rates(pairs, verdicts),
            "best_of_k": scored_best_of_k(sets, scores),
        }
    )


def read_pairs(config: OutsideJudgeConfig) -> list[AnswerPair]:
    """The first policy's first answer against each other's, to the first `num_prompts` prompts."""
    prompts = list(read_records(config.prompts, PromptRecord))
    answers = [answer for answer in read_records(config.answers, SampledAnswer) if answer.sample == 0]
    contents = {(answer.policy, answer.prompt_id): answer.content for answer in answers}
    first, *others = dict.fromkeys(answer.policy for answer in answers)
    answered = [prompt for prompt in prompts if (first, prompt.id) in contents]
    return [
        AnswerPair(
            prompt_id=prompt.id,
            context=prompt.context,
            other=other,
            candidate_answer=contents[first, prompt.id],
            other_answer=contents[other, prompt.id],
        )
        for other in others
        for prompt in answered[: config.num_prompts]
    ]


def read_sets(config: OutsideJudgeConfig) -> Sequence[CandidateSet]:
    """The candidates to grade."""
    if config.candidates is None:
        return []
    return list(read_records(config.candidates, CandidateSet))[: config.best_of_k_prompts]


def grade_id(each: CandidateSet, place: int) -> str:
    """Names a candidate in the file of grades."""
    return f"{each.prompt.id} · {place} · {digest(each.candidates[place].content)}"


def candidate_example(each: CandidateSet, place: int) -> SftExample:
    """A candidate in the form in which the judge grades answers."""
    return SftExample(
        id=grade_id(each, place),
        source="rejection_sampling",
        context=each.prompt.context,
        response=each.candidates[place].content,
    )


if __name__ == "__main__":
    program_main(OutsideJudgeConfig, run)

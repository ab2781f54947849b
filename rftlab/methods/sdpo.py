"""Self-distillation policy optimisation: what came of an attempt, in the context of the policy itself, judges it.

The policy writes a group of completions to each prompt and the verifier scores them. At every token its next-token
distribution is drawn towards that of itself with a right completion of the same group in the context, or, where there
is none, with what the verifier said of this one (a compiler's message, a failed check).

Source: Huebotter et al. 2026, Reinforcement Learning via Self-Distillation (2601.20802), and the authors' code
(lasgroup/SDPO, `self_distillation` in verl/trainer/config/actor/actor.yaml).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.distill import LOG_NAMES
from rftlab.methods.in_context import InContextSettings, InContextTrainer, fit_to_itself
from rftlab.policy.load import Policy
from rftlab.tasks.base import Example
from rftlab.verifiers.base import THOUGHT, Score, after_thinking

# The authors' words, also TRL's.
_SOLUTION = "\nCorrect solution:\n\n{}\n\n"
_FEEDBACK = "\nThe following is feedback from your unsuccessful earlier attempt:\n\n{}\n\n"
_AFTER = "\n\nCorrectly solve the original question.\n"


class SDPOSettings(InContextSettings):
    """Settings of `sdpo`, by TRL's names."""

    num_generations: int = Field(8, ge=2, description="completions per prompt")
    prompts_per_step: int = Field(8, ge=1, description="prompts per optimiser step")
    teacher_update_rate: float = Field(
        0.05, ge=0, le=1, description="of the teacher, a running mean of the policy: 0 stays at the start, 1 is it"
    )
    success_reward_threshold: float = Field(
        1.0, gt=0, le=1, description="reward from which a completion is shown as a solution"
    )
    include_environment_feedback: bool = Field(
        True, description="show what a verifier of code, sql, a game or a form says of a failed completion"
    )
    environment_feedback_only_without_solution: bool = Field(
        True, description="show it only where no other completion of the group is a solution"
    )

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """What the verifier says in words."""
        return ("what its verifier says in words",) if self.include_environment_feedback else ()


class _Trainer(InContextTrainer):
    """Asks the teacher with what is known of each attempt in its context."""

    log_names: ClassVar[Mapping[str, str]] = {
        # TRL's entropy is of what was taught alone.
        **{name: ours for name, ours in LOG_NAMES.items() if name != "entropy"},
        "reward": "train/reward", "solution": "train/shown_solution", "feedback": "train/shown_feedback",
    }  # fmt: skip

    def contexts(self, completions: Sequence[Sequence[int]]) -> list[list[int] | None]:
        run, settings = self.run, self.run.settings
        texts = [run.policy.decode(ids, cot=run.cell.cot) for ids in completions]
        scores = run.verifier.score(texts, self.drawn)
        rewards = [score.reward for score in scores]
        run.monitor.verified(rewards, group=settings.num_generations, parts=[score.parts for score in scores])
        shown = [known_of(i, texts, scores, settings, quoted=run.verifier.says_why) for i in range(len(completions))]
        metrics = self._metrics["train"]
        metrics["reward"].append(sum(rewards) / len(rewards))
        for name, number in (("solution", 0), ("feedback", 1)):
            metrics[name].append(sum(bool(each[number]) for each in shown) / len(shown))
        return [self._context(example, *each) for example, each in zip(self.drawn, shown, strict=True)]

    def _context(self, example: Example, solution: str, feedback: str) -> list[int] | None:
        if not solution and not feedback:
            return None
        policy, run = self.run.policy, self.run
        found = policy.encode_prompt(prompt_beside(policy, example, solution, feedback, cot=run.cell.cot))
        if policy.context and len(found) + run.max_new_tokens > policy.context:
            run.monitor.warn(
                f"some completions were not learnt from: with a solution or the verifier's words the prompt and "
                f"{run.max_new_tokens} new tokens are longer than the model's {policy.context}"
            )
            return None
        return found


class SDPO:
    """Self-distillation policy optimisation (TRL DistillationTrainer, the policy being its own teacher)."""

    Settings: ClassVar[type[Settings]] = SDPOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: a reward is one number for a whole completion; what the verifier says in words, or a right completion\n"
        "of the same prompt, says more. Put it into the policy's own context, and let that judge every token.\n"
        "Objective: minimise the mean over the policy's own tokens of KL(pi(. | x, y_<t) || pi'(. | x, f, y_<t)),\n"
        "the whole vocabulary summed; f is the first other completion of the group that is right, else what the\n"
        "verifier said of y, and pi' a running mean of the policy (2601.20802, section 3). A completion that has\n"
        "neither teaches nothing.\n"
        "Settings: 8 prompts x 8 completions a step (paper 32 x 8), beta 1 (reverse KL, as the authors' runs on code;\n"
        "0.5 in those without words), teacher_update_rate 0.05. Words are shown of verifiers that say what is wrong\n"
        "and never what is right (code, sql, game, form). With a chat template all stands in the authors' words after\n"
        "the prompt, else before it, a solution as a worked example.\n"
        "Costs: grpo's, and a forward pass over prompt, what is shown, and completion.\n"
        "When: tasks whose verifier says what was wrong, as the sandbox does of code; models that learn from what is\n"
        "in their context. Without words from the verifier it needs a base that is right now and then.\n"
        "What goes wrong: a model that does not read its context has nothing to teach. So it is on the tiny base,\n"
        "which was never trained on an example in its context: 30 steps take it from 65 % to 3 or 4 %. The authors\n"
        "report it below GRPO on a model of 1.5 billion parameters. Nothing is shown (train/shown_solution and\n"
        "train/shown_feedback near 0): no step is made."
    )

    def train(self, run: TrainingRun) -> None:
        """Sample, score, have the policy that sees what came of it judge, and update until the budget is spent."""
        fit_to_itself(run, _Trainer)


def known_of(
    i: int, texts: Sequence[str], scores: Sequence[Score], settings: SDPOSettings, *, quoted: bool
) -> tuple[str, str]:
    """What a teacher is shown of a completion: a solution of its group, and what the verifier said; "" for nothing.

    Args:
        i: which completion; those of a group stand side by side.
        texts: of all completions, as they are judged.
        scores: the verifier's.
        settings: group size, threshold, and what is shown.
        quoted: whether the verifier's words may be shown: they do not tell the answer.
    """
    size, enough = settings.num_generations, settings.success_reward_threshold
    start = i - i % size
    # Never its own: its tokens would be judged by a text that has them already.
    right = [j for j in range(start, start + size) if j != i and scores[j].reward >= enough]
    solution = texts[right[0]] if right else ""
    if THOUGHT in solution:
        solution = after_thinking(solution).strip()
    tells = settings.include_environment_feedback and quoted and scores[i].reward < enough
    if solution and settings.environment_feedback_only_without_solution:
        tells = False
    return solution, scores[i].detail if tells else ""


def prompt_beside(policy: Policy, example: Example, solution: str, feedback: str, *, cot: bool) -> str:
    """The text put to a teacher: the prompt with a solution of it, the verifier's words on an earlier attempt, or both.

    A model with a chat template is told in the authors' words, after the prompt.
    """
    template = policy.template
    told = _FEEDBACK.format(feedback) if feedback else ""
    if policy.tokenizer.chat_template:
        told = (_SOLUTION.format(solution) if solution else "") + told + _AFTER
        template = replace(template, after_cot=template.after_cot + told, after_direct=template.after_direct + told)
    else:
        # Deviation 1: without a chat template what is shown stands before the prompt, a solution as a worked example:
        # the answer has to follow the prompt's last words.
        worked = template.prompt(example, cot=cot) + solution + "\n\n" if solution else ""
        template = replace(template, before=told.lstrip("\n") + worked + template.before)
    return replace(policy, template=template).prompt_text(example, cot=cot)

"""What was published, as data: sources that claims and advice point to. Orientation, never ground truth."""

from typing import NamedTuple


class Published(NamedTuple):
    """One source and its figures; ``how`` says how it was read: read, abstract, second-hand; or our own judgement."""

    source: str
    how: str
    figures: str

    def __str__(self) -> str:
        return f"{self.source} ({self.how}): {self.figures}"


PREDIBASE = Published(
    "Predibase 2025, Countdown", "second-hand",
    "against the base: 10 labels RFT +18 %; 100 labels RFT +60 %, SFT below the base",
)  # fmt: skip
THREE_CONDITIONS = Published(
    "Predibase 2025", "abstract",
    "RFT where any holds: no labels but a check; fewer than about 100 labels; chain-of-thought clearly helps",
)  # fmt: skip
ONE_SHOT = Published(
    "one-shot RLVR, arXiv 2504.20571", "read",
    "R1-Distill-1.5B, mean of six: base 37.9, 1 example 42.3, 16 examples 45.5, 1 200 examples 47.4",
)  # fmt: skip
FROM_LESS = Published(
    "Learning from Less, arXiv 2604.18381", "second-hand",
    "100 easy labels end below the base; mixed difficulty is worth up to 5 times the labels",
)  # fmt: skip
SPURIOUS = Published(
    "spurious rewards, arXiv 2506.10947", "abstract",
    "Qwen2.5-Math-7B on MATH-500: true reward +29.1, random reward +21.4",
)  # fmt: skip
CORRECTED = Published(
    "arXiv 2604.23747", "abstract",
    "two trainer faults flattered hybrids; corrected SFT 54.0, SFT then RL 57.0, best one-loss 53.2",
)  # fmt: skip
SPLIT = Published(
    "arXiv 2606.04466", "abstract",
    "SFT for what the base cannot do, RL for what it sometimes can: split labels by pass@k",
)  # fmt: skip
RAZOR = Published("RL's Razor, arXiv 2509.04259", "abstract", "RL forgets less at the same accuracy")
SELF_DISTILLED = Published(
    "self-distillation, arXiv 2601.19897, and a reproduction", "read",
    "SFT science -17.2 at rate 5e-4, -9.3 at 1e-3; self-distillation +.2, +7.3: rate before method",
)  # fmt: skip
MEMORISES = Published("arXiv 2501.17161", "second-hand", "GeneralPoints OOD: base 11.5, RL 15.0, SFT 3.4")
DEBUNKED = Published("arXiv 2510.00237", "read", "with diverse prompts and chain-of-thought SFT matches RL")
SAME_ROLLOUTS = Published(
    "OpenReview oOIBhwU9Gh", "abstract", "with the same rollout budget SFT generalises as well"
)  # fmt: skip
SHARPENS = Published("arXiv 2504.13837", "abstract", "RL sharpens within the base's reach")
DELTA = Published(
    "DELTA, arXiv 2509.21016", "abstract",
    "families with pass@128 = 0 are learnt only with dense, then binary rewards",
)  # fmt: skip
GEPA = Published(
    "GEPA, arXiv 2507.19457", "abstract", "prompt optimisation +6 over GRPO at up to 35 times fewer rollouts"
)  # fmt: skip
ON_POLICY = Published(
    "Thinking Machines 2025", "second-hand", "on-policy distillation is 9 to 30 times cheaper than RL"
)  # fmt: skip
DFT = Published("DFT, arXiv 2508.05629", "read", "about +15.7 over SFT; its authors name failures")
NOVA = Published("Amazon Nova guide", "abstract", "RFT only if 1 of 4 to 8 tries succeeds, else SFT first")
R1 = Published("DeepSeek-R1 report, 32B", "second-hand", "AIME24: RL 47.0, SFT on the larger model's reasoning 72.6")
LIMO = Published(
    "LIMO, arXiv 2502.03387", "second-hand",
    "about 800 curated examples with reasoning suffice on a strong base, not on a weak one",
)  # fmt: skip
HIDDEN_RULES = Published("aiMultiple", "read", "counter-intuitive hidden rules: base 33.8, GRPO 43.3, SFT 88.3")
INSTRUCTGPT = Published(
    "InstructGPT, arXiv 2203.02155", "abstract", "people prefer the 1.3B model tuned on comparisons to GPT-3 of 175B"
)  # fmt: skip
KTO = Published(
    "KTO, arXiv 2402.01306",
    "abstract",
    "thumbs up and down alone match or exceed preference-based methods from 1B to 30B parameters",
)
VENDORS = Published(
    "vendors' guides", "second-hand",
    "50 to 5 000 examples for SFT; for RFT a few dozen in one, 200 to 2 000 prompts in another",
)  # fmt: skip
WITHOUT_REGRET = Published(
    "LoRA Without Regret, Thinking Machines 2025", "second-hand",
    "on all linear layers LoRA matches full fine-tuning at ten times its rate, in RL at any rank, in SFT while the "
    "labels fit into the adapter",
)  # fmt: skip
ALL_LINEAR = Published(
    "QLoRA, arXiv 2305.14314", "second-hand",
    "adapters on every linear layer are needed to match full fine-tuning; their rank hardly matters",
)  # fmt: skip

"""What training has spent, axis by axis."""

from dataclasses import dataclass


@dataclass
class Cost:
    """What has been spent so far.

    Attributes:
        optimizer_steps: parameter updates.
        tokens_generated: completion tokens sampled in training, the end-of-sequence token included.
        tokens_trained: tokens fed to a model whose gradient was taken, padding included, once for each pass; prompt and
            completion, in policy, critic and reward model alike.
        flops: estimate: 2 N for each token fed, and for a token whose gradient was taken 2 N more through the
            activations and 2 for each trained weight (Kaplan et al. 2020, section 2.1, the last term for trained
            weights only). N are the base's weights without embedding lookups (`Policy.parameters`); the output matrix
            is one of them, tied or not, and counts for every token, also where a few positions only are scored or a
            critic's head takes its place. Attention's own products and an adapter's forward pass are left out.
        teacher_flops: of them, those of a teacher's passes: 2 of the teacher's own weights for each token fed to it.
        completions: completions sampled in training.
        completions_cut: of those, the ones that the cap ended.
        verifier_calls: completions scored by a verifier.
        completions_rewarded: of those, the ones with a reward above 0.
        groups: groups of two or more completions of one prompt whose rewards were compared with each other; 0 if a
            method has none.
        groups_alike: of those, the ones whose rewards were all equal: they say nothing about what is better.
        seconds: wall time spent training, evaluations along the way not counted.
    """

    optimizer_steps: int = 0
    tokens_generated: int = 0
    tokens_trained: int = 0
    flops: float = 0.0
    teacher_flops: float = 0.0
    completions: int = 0
    completions_cut: int = 0
    verifier_calls: int = 0
    completions_rewarded: int = 0
    groups: int = 0
    groups_alike: int = 0
    seconds: float = 0.0

    def taught(self, flops: float) -> None:
        """Count passes of a teacher."""
        self.flops += flops
        self.teacher_flops += flops

    def spent(self, unit: str) -> float:
        """Amount spent of a budget's unit."""
        return {
            "steps": self.optimizer_steps,
            "tokens": self.tokens_generated + self.tokens_trained,
            "flops": self.flops,
            "seconds": self.seconds,
        }[unit]

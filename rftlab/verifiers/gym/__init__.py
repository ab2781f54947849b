"""Checks of generated tasks: `verifier` (reasoning-gym's scorers, run in isolation or replaced), `rules` (of games).

`scorer` is what runs isolated; `polynomial` and `antiderivative` decide algebra exactly.
"""

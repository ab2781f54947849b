"""Widgets over what the command line calls: `compare` (a study's figures), `label_pairs` (preferences),
`ask` (a policy at hand), `studio` (a study from its form to its answer).
"""

"""Widgets over what the command line calls: `compare` and `study_view` (a study), `label_pairs` (preferences),
`ask` (a policy at hand), `studio` (a study from its form to its answer).
"""

"""All that holds or samples from a model.

Public: `load` (Policy, load_policy), `rollout` (sample, completion_logprobs), `hub` (where a model is found),
`base_answers` (what the untrained base says, sampled once a grid), `tiny_base` (how the shipped base is made),
`reward_model_scorer`, `kept` (policies as files), `ask` (a question to one), `export` (one as a folder for others).
`decode` serves `rollout` alone.
"""

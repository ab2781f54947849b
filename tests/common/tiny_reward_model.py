"""A reward model of a few thousand random weights, saved as transformers saves one."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from rftlab.policy.hub import TINY_BASE, locate


def save(folder: Path, *, labels: int = 1) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(locate(TINY_BASE))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_labels=labels, pad_token_id=tokenizer.pad_token_id or 0,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

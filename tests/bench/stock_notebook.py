"""The baseline of `grid_vs_stock`: the notebook one would write with TRL alone. Cells begin with `# %%`.

Stock trainers with their own generation, evaluation with `model.generate`; the same base, adapter, prompts, updates,
learning rates and evaluated items as rftlab's notebooks. The texts are handed to it ready-made, which favours it.
"""

# %% imports
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

# %% parameters
method: str = "grpo"
model_dir: str = ""
data_file: str = ""
learning_rate: float = 5e-4
steps: int = 40
max_new_tokens: int = 64
samples: int = 8
along_the_way: int = 4
along_items: int = 50
seed: int = 0
out: str = ""

# %% load
set_seed(seed)
data = json.loads(Path(data_file).read_text())
tokenizer = AutoTokenizer.from_pretrained(model_dir, padding_side="left")
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
model = get_peft_model(model, lora)


def reward(completions, answer, **_):
    found = [re.findall(r"<answer>(.*?)</answer>", completion) for completion in completions]
    return [float(len(each) == 1 and each[0].strip() == gold) for each, gold in zip(found, answer, strict=True)]


@torch.no_grad()
def ask(rows, samples=1):
    """Completions of prompts, greedy or several sampled ones each, with rewards."""
    was_training = model.training
    model.eval()
    asked = []
    per_batch = 256 // samples
    drawn = {"do_sample": True, "temperature": 1.0, "top_k": 0, "num_return_sequences": samples}
    for start in range(0, len(rows), per_batch):
        batch = rows[start : start + per_batch]
        inputs = tokenizer([each["prompt"] for each in batch], return_tensors="pt", padding=True).to(model.device)
        inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        how = drawn if samples > 1 else {"do_sample": False}
        ids = model.generate(**inputs, max_new_tokens=max_new_tokens, pad_token_id=tokenizer.pad_token_id, **how)
        texts = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        each_row = [each for each in batch for _ in range(samples)]
        rewards = reward(texts, [each["answer"] for each in each_row])
        asked += [
            {"prompt": each["prompt"], "answer": each["answer"], "completion": text, "reward": r}
            for each, text, r in zip(each_row, texts, rewards, strict=True)
        ]
    model.train(was_training)
    return pd.DataFrame(asked)


@torch.no_grad()
def logprobs(rows):
    """Log-probability of each token of prompts with completions."""
    values = []
    for start in range(0, len(rows), 64):
        texts = (rows["prompt"] + rows["completion"])[start : start + 64].tolist()
        inputs = tokenizer(texts, return_tensors="pt", padding=True)
        ids, mask = inputs["input_ids"].to(model.device), inputs["attention_mask"].to(model.device)
        shifted = model(input_ids=ids, attention_mask=mask).logits[:, :-1].log_softmax(-1)
        values.append(shifted.gather(-1, ids[:, 1:, None])[..., 0][mask[:, 1:].bool()])
    return torch.cat(values)


history = []


class AlongTheWay(TrainerCallback):
    """Test and out-of-distribution accuracy while training."""

    def on_step_end(self, args, state, control, **_):
        if along_the_way and state.global_step % max(1, steps // along_the_way) == 0:
            evaluate_along(state.global_step)


def evaluate_along(step):
    accuracies = {part: ask(data[part][:along_items])["reward"].mean() for part in ("test", "ood")}
    history.append({"step": step, **accuracies})


# %% before
before = ask(data["test"][:5])
print(before)

# %% train
common = {
    "output_dir": f"{out}.trainer",
    "max_steps": steps,
    "learning_rate": learning_rate,
    "seed": seed,
    "bf16": torch.cuda.is_available(),
    "use_cpu": not torch.cuda.is_available(),
    "gradient_checkpointing": False,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}
if along_the_way:
    evaluate_along(0)
trainer = None
if method == "sft":
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(per_device_train_batch_size=min(16, len(data["train"])), lr_scheduler_type="linear", **common),
        train_dataset=Dataset.from_list(
            [{"prompt": each["prompt"], "completion": each["completion"]} for each in data["train"]]
        ),
        processing_class=tokenizer,
        callbacks=[AlongTheWay()],
    )
elif method == "grpo":
    rows = [{"prompt": each["prompt"], "answer": each["answer"]} for each in data["train"]]
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=GRPOConfig(
            per_device_train_batch_size=64,
            num_generations=16,
            max_completion_length=max_new_tokens,
            beta=0.0,
            loss_type="grpo",
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=5,
            **common,
        ),
        train_dataset=Dataset.from_list(rows * -(-4 // len(rows))),
        processing_class=tokenizer,
        callbacks=[AlongTheWay()],
    )
if trainer is not None:
    trainer.train()
    model = trainer.accelerator.unwrap_model(trainer.model)

# %% figure
curve = pd.DataFrame(history, columns=["step", "test", "ood"])
losses = [entry for entry in trainer.state.log_history if "loss" in entry] if trainer else []
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.plot([entry["step"] for entry in losses], [entry["loss"] for entry in losses])
right.plot(curve["step"], curve["test"])
plt.show()

# %% after
print(ask(data["test"][:5]).join(before[["completion", "reward"]].add_suffix(" before")))

# %% evaluate
asked = {part: ask(data[part + "_evaluated"]) for part in ("test", "train", "ood") if data[part + "_evaluated"]}
sampled = ask(data["sampled"], samples=samples)
own = logprobs(sampled)
with model.disable_adapter():
    base = logprobs(sampled)
metrics = {part: float(rows["reward"].mean()) for part, rows in asked.items()}
metrics |= {"sampled": float(sampled["reward"].mean()), "kl": float((own - base).mean())}
print(metrics)

# %% write
Path(f"{out}.json").write_text(json.dumps({"metrics": metrics, "history": history}))
pd.concat([*asked.values(), sampled]).to_json(f"{out}.samples.jsonl", orient="records", lines=True)

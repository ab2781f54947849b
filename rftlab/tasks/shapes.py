"""The shapes in which people keep labelled rows, each recognised by a row's columns, and what a row of each says.

A new shape is one function from a row to `Said`, one predicate on its columns, and one line in `SHAPES`. Nothing here
reads files or settings; what a user maps by hand (`task_settings.columns`) goes before it, in `rftlab.tasks.reader`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rftlab.errors import RftlabError, one_line
from rftlab.tasks.columns import Row, text_of, value_of
from rftlab.verifiers.base import OPEN_TAG, THINK, THOUGHT, extract_answer

_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant", "bot": "assistant",
}  # fmt: skip


class Said(NamedTuple):
    """What a row says.

    Attributes:
        prompt: the question, with what stands before it in a conversation.
        answer: the gold answer, a text or another JSON value; None where the row holds none.
        rationale: what stands before the answer in a completion; "" for nothing.
        meta: further values a verifier may read.
    """

    prompt: str
    answer: Any
    rationale: str = ""
    meta: Mapping[str, Any] = {}


class Turn(NamedTuple):
    """One message of a conversation; its role is system, user or assistant."""

    role: str
    text: str


@dataclass(frozen=True)
class Shape:
    """One way of keeping rows.

    Attributes:
        summary: whose it is and where prompt and answer stand, for people.
        fits: whether a row has its columns.
        said: what a row says; raises an RftlabError, without the place, where the row is not as it should be.
        answer: the column that holds the answer; "" where that is the last message of a conversation.
    """

    summary: str
    fits: Callable[[Row], bool]
    said: Callable[[Row], Said]
    answer: str = ""


def recognised(row: Row) -> list[str]:
    """Names of the shapes whose columns a row has; one, where all is well."""
    return [name for name, shape in SHAPES.items() if shape.fits(row)]


def unanswered(row: Row) -> list[str]:
    """Names of the shapes whose columns a row has but for the answer's, which is missing or holds nothing."""
    return [name for name, shape in SHAPES.items() if (blank := blanked(row, name)) and shape.fits(blank)]


def blanked(row: Row, shape: str) -> Row:
    """A row whose answer's column is missing or holds nothing, with an empty text there; empty for any other row."""
    column = SHAPES[shape].answer
    return {**row, column: ""} if column and not _holds(row, column) else {}


def _plain(row: Row) -> Said:
    return Said(prompt_in(row, "prompt"), row["answer"])


def _question(row: Row) -> Said:
    return Said(prompt_in(row, "question"), row["answer"])


def _completion(row: Row) -> Said:
    return _with(prompt_in(row, "prompt"), _text(row, "completion"))


def _trl(row: Row) -> Said:
    prompt, completion = turns(row["prompt"], "prompt"), turns(row["completion"], "completion")
    if len(completion) != 1 or completion[0].role != "assistant":
        raise RftlabError("completion is not one message of the assistant; one completion belongs to one prompt")
    return _with(asked(prompt), completion[0].text)


def _chat(row: Row) -> Said:
    return conversation(turns(row["messages"], "messages"))


def _rft(row: Row) -> Said:
    before, last = _parted(turns(row["messages"], "messages"))
    meta = {str(name): value for name, value in row.items() if name not in ("messages", "reference_answer")}
    return Said(asked(before), row["reference_answer"], last or "", meta)


def _alpaca(row: Row) -> Said:
    task = [_text(row, "instruction"), *([_text(row, "input")] if _holds(row, "input") else [])]
    system = [Turn("system", _text(row, "system"))] if _holds(row, "system") else []
    history = row["history"] if _holds(row, "history") else []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise RftlabError("history is not a list of pairs, each a question and its answer")
    earlier = [
        turn for asks, says in history for turn in (Turn("user", text_of(asks)), Turn("assistant", text_of(says)))
    ]
    question = Turn("user", "\n\n".join(text for text in task if text.strip()))
    return _with(asked([*system, *earlier, question]), _text(row, "output"))


def _sharegpt(row: Row) -> Said:
    system = [Turn("system", _text(row, "system"))] if _holds(row, "system") else []
    return conversation([*system, *turns(row["conversations"], "conversations")])


def _has(*columns: str) -> Callable[[Row], bool]:
    return lambda row: all(_holds(row, column) for column in columns)


def _holds(row: Row, column: str) -> bool:
    return row.get(column) is not None and value_of(row, column) is not None


SHAPES: Mapping[str, Shape] = {
    "prompt-answer": Shape("prompt and answer", _has("prompt", "answer"), _plain, "answer"),
    "question-answer": Shape(
        "question and answer",
        lambda row: _has("question", "answer")(row) and "prompt" not in row,
        _question,
        "answer",
    ),
    "prompt-completion": Shape(
        "prompt and completion; the answer is the completion",
        lambda row: _has("prompt", "completion")(row) and not isinstance(row["completion"], list),
        _completion,
        "completion",
    ),
    "trl-chat": Shape(
        "TRL conversational rows (prompt and completion, lists of messages); the answer is the completion",
        lambda row: _has("prompt", "completion")(row) and isinstance(row["completion"], list),
        _trl,
    ),
    "chat": Shape(
        "OpenAI chat rows (messages); the answer is the last message, the assistant's",
        lambda row: _holds(row, "messages") and not _holds(row, "reference_answer"),
        _chat,
    ),
    "rft": Shape(
        "OpenAI or Nova RFT rows (messages and reference_answer); the answer is reference_answer, every other column "
        "is in meta",
        _has("messages", "reference_answer"),
        _rft,
        "reference_answer",
    ),
    "alpaca": Shape(
        "Alpaca rows (instruction, input, output); the answer is the output",
        _has("instruction", "output"),
        _alpaca,
        "output",
    ),
    "sharegpt": Shape(
        "ShareGPT rows (conversations, from and value); the answer is the last message, the model's",
        _has("conversations"),
        _sharegpt,
    ),
}


def turns(value: Any, column: str) -> list[Turn]:
    """The messages of a conversation, whether they have role and content or from and value.

    Args:
        value: a list of messages, or such a list as JSON.
        column: where it stands, for the sentence.

    Raises:
        RftlabError: it is no such list; a message has another role, or no text.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise RftlabError(f"{column} is a text, not a list of messages; mend the row, or name its column") from None
    if not isinstance(value, list) or not value or not all(isinstance(message, Mapping) for message in value):
        raise RftlabError(f"{column} is not a list of messages, each with role and content; mend the row")
    return [_turn(message, f"message {number} of {column}") for number, message in enumerate(value, start=1)]


def _turn(message: Mapping[str, Any], which: str) -> Turn:
    role = message["role"] if message.get("role") is not None else message.get("from")
    content = message["content"] if message.get("content") is not None else message.get("value")
    if not isinstance(role, str) or role.strip().lower() not in _ROLES:
        raise RftlabError(f"{which} is by {one_line(repr(role))}; it must be by {', '.join(_ROLES)}")
    if isinstance(content, list):
        content = "\n".join(_part(part, which) for part in content)
    if not isinstance(content, str) or not content.strip():
        calls = " but calls a tool" if message.get("tool_calls") else ""
        raise RftlabError(f"{which} holds no text{calls}; drop the row")
    return Turn(_ROLES[role.strip().lower()], text_of(content).strip())


def _part(part: Any, which: str) -> str:
    """The text of one part of a message: {"type": "text", "text": ...}, or {"text": ...}."""
    text = part.get("text") if isinstance(part, Mapping) else part
    if not isinstance(text, str):
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise RftlabError(f"{which} holds a part that is no text ({one_line(str(kind))}); drop the row")
    return text


def asked(messages: Sequence[Turn]) -> str:
    """A conversation as one prompt: the system's words, and the question below them.

    Where there are earlier turns, each is written out with who speaks: `User: ...`, `Assistant: ...`.

    Raises:
        RftlabError: the last message is not the user's.
    """
    spoken = [turn for turn in messages if turn.role != "system"]
    if not spoken or spoken[-1].role != "user":
        raise RftlabError("no message of the user's stands before the answer")
    said = [turn.text for turn in spoken] if len(spoken) == 1 else [f"{t.role.title()}: {t.text}" for t in spoken]
    return "\n\n".join([*(turn.text for turn in messages if turn.role == "system"), *said])


def conversation(messages: Sequence[Turn]) -> Said:
    """A conversation whose last message, if it is the assistant's, is the completion of all that stands before it."""
    before, last = _parted(messages)
    return Said(asked(before), None) if last is None else _with(asked(before), last)


def prompt_in(row: Row, column: str) -> str:
    """The prompt in a column that holds a text, or the messages of a conversation up to the answer.

    Raises:
        RftlabError: naming the column.
    """
    if is_conversation(row[column]):
        return asked(_parted(turns(row[column], column))[0])
    if isinstance(row[column], Mapping | list):
        raise RftlabError(
            f"column {column!r} holds a {type(row[column]).__name__}, neither a text nor a list of messages; build the "
            f'prompt from it: task_settings.prompt: "{{{column}}}"'
        )
    return _text(row, column)


def completion_in(value: Any, column: str) -> str | None:
    """The answer in the assistant's last message of a conversation; None where the user has the last word.

    Raises:
        RftlabError: it is no list of messages.
    """
    last = _parted(turns(value, column))[1]
    return None if last is None else str(_with("", last).answer)


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of messages."""
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], Mapping)
        and not {"role", "from"}.isdisjoint(value[0])
    )


def _parted(messages: Sequence[Turn]) -> tuple[Sequence[Turn], str | None]:
    """What stands before the assistant's last message, and that message; None where the user has the last word."""
    if messages[-1].role == "assistant":
        return messages[:-1], messages[-1].text
    return messages, None


def _text(row: Row, column: str) -> str:
    try:
        return text_of(row[column])
    except RftlabError as error:
        raise RftlabError(f"column {column!r} holds {error}") from None


def _with(prompt: str, completion: str) -> Said:
    """A prompt and its completion: what was thought before the answer, or stands before its tags, is the rationale."""
    thought, closed, said = completion.rpartition(THOUGHT)
    rationale = [thought.replace(THINK, "", 1)] if closed else []
    found = extract_answer(said)
    if found.format_ok and found.text:
        rationale.append(said.partition(OPEN_TAG)[0])
        said = found.text
    return Said(prompt, said.strip(), "\n".join(text.strip() for text in rationale if text.strip()))

"""Short texts under stated constraints: verses with a rhyme scheme, product lines with a length; graded by their form.

There are many good answers: the gold one shows the form, it is not the standard. A preference, from a reward model or a
judge, is one more component of the rubric (`verifier_settings.components`).
"""

import random
from collections.abc import Callable
from typing import Any

from rftlab.errors import RftlabError
from rftlab.tasks import arithmetic
from rftlab.tasks.base import Example, Task
from rftlab.tasks.procedural import Draft, Recipe

# Line ends that rhyme by spelling and by sound alike.
_ENDS = (
    ("in the night", "soft and bright", "like a light", "far from sight", "holding tight"),
    ("all the day", "on its way", "come what may", "here to stay", "turning gray"),
    ("spun of gold", "in the cold", "calm and old", "never sold", "stories told"),
    ("without a sound", "on holy ground", "lost and found", "round and round", "homeward bound"),
    ("in the rain", "once again", "like a train", "free of pain", "on the plain"),
    ("as leaves fall", "by the wall", "above it all", "standing tall", "hear them call"),
    ("in a line", "still to shine", "sweet as wine", "yours and mine", "feeling fine"),
    ("along the shore", "and nothing more", "just as before", "in the store", "to the core"),
    ("on the sand", "hand in hand", "through the land", "where I stand", "like a band"),
    ("taking rest", "in the nest", "at its best", "in the west", "on the crest"),
    ("by the lake", "half awake", "for its sake", "in its wake", "give and take"),
    ("with the tide", "deep and wide", "side by side", "full of pride", "still inside"),
    ("on the hill", "calm and still", "against my will", "takes its fill", "by the mill"),
    ("like a book", "by the brook", "take a look", "in the nook", "on a hook"),
)
_STARTS = (
    "The {w} is waiting {e}", "A {w} goes by {e}", "We dream of the {w} {e}", "There sleeps a {w} {e}",
    "I remember the {w} {e}", "Who has seen the {w} {e}", "So quiet is the {w} {e}", "My friend, the {w}, {e}",
    "Once a {w} was {e}", "They sing of a {w} {e}", "Small is the {w} {e}", "Nobody knows the {w} {e}",
)  # fmt: skip
_WORDS = (
    "river", "lamp", "garden", "bell", "ship", "rose", "fox", "wind", "star", "song", "road", "apple", "window", "moon",
    "bridge", "candle", "forest", "letter", "mountain", "owl", "piano", "kite", "snow", "bread", "clock", "harbour",
    "island", "mirror", "meadow", "tower", "violin", "willow",
)  # fmt: skip
_PRODUCTS = (
    ("lamp", "light"), ("teapot", "tea"), ("backpack", "travel"), ("notebook", "ideas"), ("bicycle", "city"),
    ("blanket", "sleep"), ("jacket", "weather"), ("knife", "kitchen"), ("chair", "comfort"), ("watch", "time"),
    ("headphones", "music"), ("tent", "mountains"), ("soap", "skin"), ("coffee mill", "morning"), ("boots", "paths"),
    ("pen", "words"), ("umbrella", "rain"), ("pillow", "dreams"), ("bottle", "water"), ("camera", "moments"),
)  # fmt: skip
_QUALITIES = (
    "light", "quiet", "warm", "simple", "strong", "soft", "fresh", "honest", "bright", "calm", "bold", "fine", "gentle",
    "handmade", "lasting", "small",
)  # fmt: skip
_EMPTY_WORDS = ("best", "amazing", "perfect", "revolutionary", "unique")
_PITCHES = (
    "A {a} and {b} {p} for people who care about {u}.", "Meet the {p}: {a} by design, {b} in use, made for {u}.",
    "Our {p} brings {a}, {b} {u} into your day.", "{u_}, at last: the {a} {p} with a {b} heart.",
    "The {p} that keeps {u} {a} and {b}, year after year.", "For {u}, choose the {b} {p} that stays {a}.",
)  # fmt: skip
_RUBRIC = {
    "components": [
        {"verifier": "form", "name": "kept", "weight": 0.5, "settings": {"partial_credit": False}},
        {"verifier": "form", "name": "form", "weight": 0.5},
        {"verifier": "originality", "penalty": 0.3, "settings": {"n": 4, "allowed": 0.5}},
    ]
}
_CARD_END = (
    "Half of the reward is for keeping every stated constraint, half for the share of them kept; up to 30 % is taken "
    "away where a text repeats the other samples for the same prompt; every component is logged by itself. It measures "
    "form: it cannot tell a good text from a dull one."
)


def load(variant: str, **settings: Any) -> Task:
    """Creative task by variant: verse, product or tiny.

    Args:
        variant: which one.
        **settings: see `Recipe.task`.

    Raises:
        RftlabError: no such variant.
    """
    loaders: dict[str, Callable[..., Task]] = {"verse": VERSE.task, "product": PRODUCT.task, "tiny": load_tiny}
    if variant not in loaders:
        raise RftlabError(f"unknown variant {variant!r}; known: {', '.join(loaders)}")
    return loaders[variant](**settings)


def draw_verse(rng: random.Random, far: bool) -> Draft:
    """Draw a poem to write, and one that keeps its form; far: other words, and a limit on its length."""
    scheme = rng.choice(("AA", "AABB", "ABAB", "ABBA"))
    required = rng.sample(_WORDS, 2)
    ends = dict(zip("AB", rng.sample(_ENDS, 2), strict=True))
    phrases = {letter: rng.sample(group, 2) for letter, group in ends.items()}
    subjects = [*required, *rng.sample([word for word in _WORDS if word not in required], len(scheme) - 2)]
    rng.shuffle(subjects)
    starts = rng.sample(_STARTS, len(scheme))
    lines = [
        start.format(w=subject, e=phrases[letter].pop())
        for start, subject, letter in zip(starts, subjects, scheme, strict=True)
    ]
    form: dict[str, Any] = {"lines": len(scheme), "rhyme": scheme, "words": required}
    if far:
        form["max_words"] = 9 * len(scheme)
        prompt = (
            f"A {required[0]} and a {required[1]} belong into a verse with the rhyme scheme {scheme}, one line for "
            f"each letter and no more than {form['max_words']} words in all. Write it."
        )
    else:
        prompt = (
            f"Write a poem of {len(scheme)} lines that rhyme {scheme}. Use the words {required[0]} and {required[1]}."
        )
    words = [line.rpartition(" ")[2] for line in lines]
    pairs = [
        [word for word, letter in zip(words, scheme, strict=True) if letter == wanted] for wanted in sorted(set(scheme))
    ]
    rationale = f"Rhymes: {'; '.join(', '.join(pair) for pair in pairs)}. One line for each."
    return Draft(f"{scheme} {sorted(required)}", prompt, ",\n".join(lines) + ".", rationale, {"form": form})


def draw_product(rng: random.Random, far: bool) -> Draft:
    """Draw a product line to write, and one that keeps to what is asked; far: other words."""
    product, use = rng.choice(_PRODUCTS)
    first, second = rng.sample([quality for quality in _QUALITIES if quality not in (product, use)], 2)
    # One request for each of these, so that no gold line is the answer to two.
    rng = random.Random(f"{product} {first} {second}")
    pitch = rng.choice(_PITCHES).format(a=first, b=second, p=product, u=use, u_=use.capitalize())
    limit, forbidden = rng.choice((14, 16, 18)), rng.choice(_EMPTY_WORDS)
    if far:
        prompt = (
            f"Advertise a {product} in a single line, 6 to {limit} words long. It must say {first} and {second}; leave "
            "out "
            f'the word "{forbidden}".'
        )
    else:
        prompt = (
            f"Write one product line for a {product}: between 6 and {limit} words, with the words {first} and "
            f"{second}, without the word {forbidden}."
        )
    form = {
        "lines": 1,
        "words": [first, second],
        "forbidden": [forbidden],
        "min_words": 6,
        "max_words": limit,
    }
    rationale = (
        f"{first.capitalize()} and {second} describe the {product}; {use} is what it is for; {forbidden} is left out."
    )
    return Draft(f"{product} {first} {second}", prompt, pitch, rationale, {"form": form})


VERSE = Recipe(
    name="creative/verse",
    card="Poems of two or four lines with a rhyme scheme and two required words, drawn by rftlab (Apache-2.0); the "
    "gold poem is put together from phrases and shows the form. Rhymes are judged by a pronunciation dictionary where "
    f"it is installed and by spelling where not. Ood uses other words and limits the length. {_CARD_END}",
    draw=draw_verse,
    verifier="rubric",
    verifier_settings=_RUBRIC,
)
PRODUCT = Recipe(
    name="creative/product",
    card="One line about a product: a range of words, two words it must hold and one it must not; drawn by rftlab "
    f"(Apache-2.0). Ood asks in other words. Whether the line would sell anything is not judged. {_CARD_END}",
    draw=draw_product,
    verifier="rubric",
    verifier_settings=_RUBRIC,
)


def load_tiny(**settings: Any) -> Task:
    """Rhyming couplets in the words the tiny base was pretrained on; settings of `arithmetic.load`."""
    base = arithmetic.load("verse", **settings)

    def judged(examples: tuple[Example, ...]) -> tuple[Example, ...]:
        return tuple(Example(e.id, e.prompt, e.answer, e.rationale, _tiny_meta(e)) for e in examples)

    return Task(
        name="creative/tiny",
        card="Two lines with two required words that rhyme, for the tiny base; generated by rftlab (Apache-2.0). The "
        "tiny base was pretrained on such texts, on purpose: the gain it shows was built in and says nothing about "
        f"large models. {_CARD_END}",
        train=judged(base.train),
        test=judged(base.test),
        ood={kind: judged(examples) for kind, examples in base.ood.items()},
        verifier="rubric",
        verifier_settings=_RUBRIC,
        retention=base.retention,
    )


def _tiny_meta(example: Example) -> dict[str, Any]:
    return {"form": {"lines": 2, "rhyme": "AA", "words": list(example.meta["words"])}}

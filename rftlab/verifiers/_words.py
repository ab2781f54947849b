"""Words around a number: what makes it another number, denies or hedges it, and what says nothing of it at all."""

from fractions import Fraction

NUMBERS = frozenset(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion
    dozen score half halves third thirds quarter quarters fifth fifths tenth tenths hundredth hundredths thousandth
    thousandths hundreds thousands millions billions trillions dozens first ninth st nd rd th tens lakh lakhs
    crore crores mio mrd gross binary hex hexadecimal
    """.split()  # noqa: SIM905
)
# Counting words: a prompt's number may be said so again, but no answer is read so.
COUNTS = {
    word: Fraction(n)
    for n, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)  # noqa: SIM905
}
SCALES = {"dozen": Fraction(12), "half": Fraction(1, 2), "twice": Fraction(2), "double": Fraction(2),
          "triple": Fraction(3), "third": Fraction(1, 3), "quarter": Fraction(1, 4)}  # fmt: skip
NO_UNIT = NUMBERS | frozenset(
    """
    a an the and is or not no nor never none neither either if then else but are was were isn't aren't be to too than
    by as at from with without except unless maybe perhaps possibly probably approximately about roughly nearly almost
    wrong wrongly false falsely incorrect incorrectly untrue true right correct unlikely unknown unclear impossible
    invalid mistake mistaken error fake lie joke guess guessing nope nah doubtful uncertain different ish
    times plus minus over mod modulo squared cubed factorial power root double triple twice doubled tripled
    halved reversed percentile sq max min approx est
    point negative positive something other others another also nan inf infinity undefined versus vs
    next previous yesterday tomorrow ago late early
    instead rather through until because since less more greater smaller fewer higher lower above below between before
    after remainder base choose i e pi x y z n sin cos tan log ln exp sqrt
    """.split()  # noqa: SIM905
)
# Nothing that is said with one of these is a plain statement, wherever it stands.
NEGATES = frozenset(
    """
    not no nor never none neither cannot wrong wrongly false falsely incorrect incorrectly untrue mistake mistaken
    error fake lie lies lied joke nope nah fail fails failed refuse deny denies denied reject rejects rejected opposite
    contrary except without unless excluding excluded ignore ignoring disregard impossible invalid unlike
    """.split()  # noqa: SIM905
)
DENIES = NEGATES | frozenset(
    """
    but however although though yet despite instead rather anything everything nothing something anyone everyone
    nobody somebody someone pretend pretends bogus nonsense garbage absurd ridiculous hardly barely scarcely rarely
    seldom unlikely unequal differ differs different doubt doubtful doubts about or either maybe perhaps possibly
    probably approximately approx roughly nearly almost around circa close guess guesses guessing guessed uncertain
    unsure unclear unknown could might may should if whether supposedly allegedly apparently seemingly seems seem
    appears appear suppose supposing supposed assume assuming assumed estimate estimated rough likely ish some several
    sometimes usually often typically say says said saying claim claims claimed believe believes believed think thinks
    thought told tell others other another wait actually oops sorry correction hmm undo scratch strike retract
    questionable suspect suspicious undecided depends depending alternatively
    """.split()  # noqa: SIM905
)
# With one of these the number that is said is not the number that is meant.
ALTERS = NUMBERS | frozenset(
    """
        times plus minus over mod modulo squared cubed factorial power root double triple twice doubled tripled thrice
        halved reversed percentile max min maximum minimum most least exceed exceeds exceeding exceeded beyond extra
        additional again additionally short shy off upper lower bound limit negative opposite inverse reciprocal
        backwards backward square cube pair pairs couple less more fewer than greater smaller larger higher between
        above below under up down divided multiplied added subtracted increased decreased reduced raised rounded
        divide multiply add subtract increase decrease reduce round also too until only just
        out away missing lacking wanting older younger taller shorter longer colder warmer hotter cooler cheaper heavier
        lighter faster slower bigger wider deeper richer poorer farther further nearer earlier later bc bce
        """.split()  # noqa: SIM905
)
# What a sentence is made of besides what it speaks of.
NEUTRAL = frozenset(
    """
    a an the this that these those there here it its it's he she they we i you him her them his my our your their
    that's there's he's she's they're we're is are was were be been being has have had having do does did done will
    would now new so therefore thus hence then consequently accordingly finally overall altogether which who means
    make makes made making get gets got gives give gave given take takes took cost costs costing equal equals come
    comes came become becomes result results yields obtain obtains find need needs needed require requires required
    contain contains total totals sum amount amounts answer final all number value solution correct right exactly
    precisely of in on for result into hold holds
    """.split()  # noqa: SIM905
)
# Stems of verbs that say the same of an amount, where the question has one of them.
SAME_DOING = tuple(
    frozenset(each.split())
    for each in ("pay spend cost", "earn earning mak receiv get", "tak last need requir finish complet",
                 "hav own hold keep",
                 "buy purchas get", "use need consum",
                 "speed travel driv rid mov go cover", "produc mak", "fit hold contain")
)  # fmt: skip
PAYING = SAME_DOING[0]
# Of money: where one of these is asked for, what is paid is something else.
BESIDE_PRICE = frozenset(
    {"chang", "change", "left", "leav", "leave", "profit", "save", "sav", "discount", "tax", "tip"}
)
# What is measured or asked for: may be named where the prompt names none of them, or this one.
MEASURES = frozenset(
    """
    height length width depth distance speed acceleration area volume mass weight temperature age price
    time average mean median mode range probability perimeter circumference radius diameter angle force energy torque
    pressure current voltage resistance density remainder difference product quotient percentage share rate pace
    profit revenue balance salary population discount tax interest loss power hypotenuse
    """.split()  # noqa: SIM905
)
# Other words for them; `heavy` and `weighs` speak of a weight.
SAME_MEASURE = {
    "velocity": "speed", "fast": "speed", "duration": "time", "wide": "width", "breadth": "width", "tall": "height",
    "high": "height", "deep": "depth", "heavy": "weight", "weigh": "weight", "weighs": "weight", "old": "age",
    "chance": "probability", "likelihood": "probability", "odds": "probability", "far": "distance", "long": "length",
    "percent": "percentage", "saving": "discount", "savings": "discount",
}  # fmt: skip
# Dimensions of what is measured: a unit of another one says something else.
DIMENSIONS = {
    **dict.fromkeys(
        ("height", "length", "width", "depth", "distance", "perimeter", "circumference", "radius", "diameter",
         "hypotenuse"), ({"length": 1},)
    ),
    "area": ({"length": 2},), "volume": ({"length": 3},), "time": ({"time": 1},), "mass": ({"mass": 1},),
    "weight": ({"mass": 1}, {"mass": 1, "length": 1, "time": -2}), "speed": ({"length": 1, "time": -1},),
}  # fmt: skip
# Of these a sum is a step on the way, not the answer.
REDUCED = frozenset({"average", "mean", "median", "mode", "range", "difference", "product", "quotient", "remainder"})
IRREGULAR = {
    "made": "make", "sold": "sell", "bought": "buy", "ate": "eat", "eaten": "eat", "gave": "give", "given": "give",
    "took": "take", "taken": "take", "spent": "spend", "paid": "pay", "ran": "run", "drove": "drive",
    "driven": "drive", "rode": "ride", "ridden": "ride", "flew": "fly", "flown": "fly", "wrote": "write",
    "written": "write", "grew": "grow", "grown": "grow", "won": "win", "lost": "lose", "kept": "keep", "held": "hold",
    "found": "find", "went": "go", "gone": "go", "came": "come", "built": "build", "caught": "catch",
    "drank": "drink", "drunk": "drink", "broke": "break", "broken": "break", "stole": "steal", "stolen": "steal",
    "brought": "bring", "threw": "throw", "thrown": "throw", "left": "leave", "lent": "lend", "sent": "send",
    "born": "born", "used": "use", "using": "use", "fell": "fall", "fallen": "fall", "began": "begin", "begun": "begin",
    "rose": "rise", "risen": "rise",
    "met": "meet", "led": "lead", "taught": "teach", "thought": "think", "fed": "feed", "swam": "swim", "swum": "swim",
    "sang": "sing", "sung": "sing", "knew": "know", "known": "know", "chose": "choose", "chosen": "choose",
    "shot": "shoot", "slept": "sleep", "stood": "stand", "dug": "dig", "hid": "hide", "hidden": "hide", "lit": "light",
    "wore": "wear", "worn": "wear", "tore": "tear", "torn": "tear", "froze": "freeze", "frozen": "freeze",
    "fought": "fight", "dealt": "deal", "drew": "draw", "drawn": "draw",
}  # fmt: skip

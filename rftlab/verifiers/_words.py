"""Words around a number: what makes it another number, denies or hedges it, and what says nothing of it at all."""

NUMBERS = frozenset(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion
    dozen score half halves third thirds quarter quarters fifth fifths tenth tenths hundredth hundredths thousandth
    thousandths hundreds thousands millions billions trillions dozens first ninth st nd rd th tens lakh lakhs
    crore crores mio mrd gross binary hex hexadecimal
    """.split()  # noqa: SIM905
)
NO_UNIT = NUMBERS | frozenset(
    """
    a an the and is or not no nor never none neither either if then else but are was were isn't aren't be to too than
    by as at from with without except unless maybe perhaps possibly probably approximately about roughly nearly almost
    wrong wrongly false falsely incorrect incorrectly untrue true right correct unlikely unknown unclear impossible
    invalid mistake mistaken error fake lie joke guess guessing nope nah doubtful uncertain different ish
    times plus minus over mod modulo squared cubed factorial power root double triple twice doubled tripled
    halved reversed percentile sq max min approx est
    point negative positive something other others another also nan inf infinity undefined versus vs
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
    precisely of in on for result
    """.split()  # noqa: SIM905
)
# What is measured or asked for: may be named where the prompt names none of them, or this one.
MEASURES = frozenset(
    """
    height length width depth distance speed velocity acceleration area volume mass weight temperature age price
    time duration average mean median probability perimeter circumference radius diameter angle force energy torque
    pressure current voltage resistance density remainder difference product quotient percentage share rate pace
    profit revenue balance salary population
    """.split()  # noqa: SIM905
)
IRREGULAR = {
    "made": "make", "sold": "sell", "bought": "buy", "ate": "eat", "eaten": "eat", "gave": "give", "given": "give",
    "took": "take", "taken": "take", "spent": "spend", "paid": "pay", "ran": "run", "drove": "drive",
    "driven": "drive", "rode": "ride", "ridden": "ride", "flew": "fly", "flown": "fly", "wrote": "write",
    "written": "write", "grew": "grow", "grown": "grow", "won": "win", "lost": "lose", "kept": "keep", "held": "hold",
    "found": "find", "went": "go", "gone": "go", "came": "come", "built": "build", "caught": "catch",
    "drank": "drink", "drunk": "drink", "broke": "break", "broken": "break", "stole": "steal", "stolen": "steal",
    "brought": "bring", "threw": "throw", "thrown": "throw", "left": "leave", "lent": "lend", "sent": "send",
}  # fmt: skip

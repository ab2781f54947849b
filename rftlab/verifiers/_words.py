"""Words that stand after a number and are no unit of it: they make it another number, deny it, or count on."""

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
    a an the and or not no nor never none neither either if then else but is are was were isn't aren't be to too than
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

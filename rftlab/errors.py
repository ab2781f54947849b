"""The one error a user is meant to read."""


class RftlabError(ValueError):
    """Bad input, said in one sentence: what is wrong, where, and how to mend it.

    The command line prints the sentence alone and exits with code 2; a notebook shows it as the exception's text.
    """

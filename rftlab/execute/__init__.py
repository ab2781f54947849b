"""How notebooks are run: one cell at a time in a kernel of its own, many at once in one driver. Never imports torch."""

"""What a study's arms cost and what that buys: records, prices that somebody names, and nothing else.

`returns_of(results, prices)` is the way in; `prices.read` reads a prices file. What records do not have is taken from
the file and marked as assumed.
"""

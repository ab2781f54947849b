"""Forty small functions that people are asked to write, as ordinary code.

Each docstring is the description a model gets, each source the reference solution; `code_classics` has their inputs.
"""

from typing import Any


def fizz(n: int) -> str:
    """Return "fizz" if n is divisible by 3, "buzz" if by 5, "fizzbuzz" if by both, and otherwise n as text."""
    if n % 15 == 0:
        return "fizzbuzz"
    if n % 3 == 0:
        return "fizz"
    return "buzz" if n % 5 == 0 else str(n)


def factorial(n: int) -> int:
    """Return the product of all whole numbers from 1 to n; for n = 0 return 1."""
    result = 1
    for i in range(2, n + 1):
        result *= i
    return result


def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number, where number 0 is 0 and number 1 is 1."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def gcd(a: int, b: int) -> int:
    """Return the greatest common divisor of two positive whole numbers."""
    while b:
        a, b = b, a % b
    return a


def is_prime(n: int) -> bool:
    """Return True if n is a prime number and False otherwise."""
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def digit_sum(n: int) -> int:
    """Return the sum of the decimal digits of a whole number n, whose sign is ignored."""
    return sum(int(digit) for digit in str(abs(n)))


def reverse_words(text: str) -> str:
    """Return the words of the text in reverse order, separated by single spaces."""
    return " ".join(reversed(text.split()))


def is_palindrome(text: str) -> bool:
    """Return True if the letters and digits of the text, in lower case, read the same backwards."""
    kept = [c for c in text.lower() if c.isalnum()]
    return kept == kept[::-1]


def count_vowels(text: str) -> int:
    """Return how many of the letters a, e, i, o, u the text holds, in upper or lower case."""
    return sum(1 for c in text.lower() if c in "aeiou")


def second_largest(numbers: list) -> int | None:
    """Return the second largest of the distinct numbers in a list, or None if there are fewer than two."""
    distinct = sorted(set(numbers))
    return distinct[-2] if len(distinct) > 1 else None


def flatten(lists: list) -> list:
    """Return one list with the items of a list of lists, in order."""
    return [item for inner in lists for item in inner]


def chunks(items: list, size: int) -> list:
    """Cut a list into consecutive lists of the given size; the last may be shorter."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def unique(items: list) -> list:
    """Return the items of a list without repetitions, in the order of their first appearance."""
    kept = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept


def most_common(items: list) -> Any:
    """Return the item that appears most often in a non-empty list; of several, the one that appears first."""
    return max(items, key=items.count)


def running_sum(numbers: list) -> list:
    """Return a list whose i-th item is the sum of the numbers up to and including the i-th."""
    sums, total = [], 0
    for number in numbers:
        total += number
        sums.append(total)
    return sums


def two_sum(numbers: list, target: int) -> list:
    """Return the indices [i, j] with i < j of the first pair of numbers whose sum is the target, smallest i first
    and then smallest j, or [] if there is none.
    """
    for i in range(len(numbers)):
        for j in range(i + 1, len(numbers)):
            if numbers[i] + numbers[j] == target:
                return [i, j]
    return []


def merge_sorted(left: list, right: list) -> list:
    """Merge two sorted lists of numbers into one sorted list."""
    return sorted(left + right)


def binary_search(numbers: list, target: int) -> int:
    """Return the index of the target in a sorted list of distinct numbers, or -1 if it is not there."""
    low, high = 0, len(numbers) - 1
    while low <= high:
        middle = (low + high) // 2
        if numbers[middle] == target:
            return middle
        if numbers[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1


def to_binary(n: int) -> str:
    """Return a whole number n >= 0 in binary, without a prefix; 0 gives "0"."""
    return format(n, "b")


def from_roman(text: str) -> int:
    """Return the value of a Roman numeral in capital letters, such as XIV."""
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
    total = 0
    for i, letter in enumerate(text):
        value = values[letter]
        total += -value if i + 1 < len(text) and values[text[i + 1]] > value else value
    return total


def caesar(text: str, shift: int) -> str:
    """Shift every lower-case letter of the text by so many places in the alphabet, around the end; leave the rest."""
    return "".join(chr((ord(c) - 97 + shift) % 26 + 97) if "a" <= c <= "z" else c for c in text)


def is_anagram(first: str, second: str) -> bool:
    """Return True if two texts hold the same letters equally often; case and spaces do not count."""
    return sorted(first.lower().replace(" ", "")) == sorted(second.lower().replace(" ", ""))


def run_lengths(text: str) -> list:
    """Return [letter, length] for each run of equal letters in the text, in order."""
    runs: list = []
    for letter in text:
        if runs and runs[-1][0] == letter:
            runs[-1][1] += 1
        else:
            runs.append([letter, 1])
    return runs


def transpose(rows: list) -> list:
    """Return the transpose of a matrix given as a list of rows of equal length."""
    return [list(column) for column in zip(*rows)]  # noqa: B905  (the source is what a model reads)


def balanced(text: str) -> bool:
    """Return True if the brackets ( ) and [ ] in the text are balanced and properly nested."""
    stack = []
    for c in text:
        if c in "([":
            stack.append(c)
        elif c in ")]" and (not stack or stack.pop() + c not in ("()", "[]")):
            return False
    return not stack


def collatz(n: int) -> int:
    """Return how many steps it takes to get from n to 1, halving even numbers and taking odd ones times 3 plus 1."""
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def divisors(n: int) -> list:
    """Return all positive divisors of n in ascending order."""
    return [d for d in range(1, n + 1) if n % d == 0]


def leap_year(year: int) -> bool:
    """Return True for a leap year of the Gregorian calendar."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def rotate(items: list, k: int) -> list:
    """Move the items of a list k places to the right; those that fall off the end come in at the front."""
    k = k % len(items) if items else 0
    return items[len(items) - k :] + items[: len(items) - k]


def title(text: str) -> str:
    """Return the text with the first letter of every word in upper case and all others in lower case."""
    return " ".join(word.capitalize() for word in text.split(" "))


def common(first: list, second: list) -> list:
    """Return the items that are in both lists, without repetitions, in ascending order."""
    return sorted(set(first) & set(second))


def median(numbers: list) -> float:
    """Return the median of a non-empty list; of an even number of items, the mean of the middle two."""
    ordered = sorted(numbers)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def longest_word(text: str) -> str:
    """Return the longest word of the text, the first of several, or an empty text if there is none."""
    return max(text.split(), key=len, default="")


def count_words(text: str) -> dict:
    """Return a dict from each word of the text, in lower case, to how often it appears."""
    counts: dict = {}
    for word in text.lower().split():
        counts[word] = counts.get(word, 0) + 1
    return counts


def power(base: int, exponent: int, modulus: int) -> int:
    """Return base to the power of exponent, modulo the modulus."""
    return pow(base, exponent, modulus)


def clamp(value: int, low: int, high: int) -> int:
    """Return the value, or low if it is below low, or high if it is above high."""
    return max(low, min(value, high))


def longest_run(numbers: list) -> int:
    """Return the length of the longest stretch of strictly ascending neighbours in a list; 0 for an empty list."""
    best = length = 0
    for i, number in enumerate(numbers):
        length = length + 1 if i and number > numbers[i - 1] else 1
        best = max(best, length)
    return best


def best_sum(numbers: list) -> int:
    """Return the largest sum of any non-empty stretch of neighbours in a non-empty list."""
    best = current = numbers[0]
    for number in numbers[1:]:
        current = max(number, current + number)
        best = max(best, current)
    return best


def pascal(n: int) -> list:
    """Return row n of Pascal's triangle, where row 0 is [1]."""
    row = [1]
    for _ in range(n):
        row = [1] + [a + b for a, b in zip(row, row[1:])] + [1]  # noqa: B905, RUF007
    return row


def change(amount: int) -> list:
    """Return the coins of 25, 10, 5 and 1 that make up the amount with the greedy method, largest first."""
    coins = []
    for coin in (25, 10, 5, 1):
        while amount >= coin:
            coins.append(coin)
            amount -= coin
    return coins

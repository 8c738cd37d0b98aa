"""A keyed shuffle of 0..n-1 that is computed, not stored.

Visiting a network in address order hits one subnet after the other, hard. A shuffled order spreads the load, but a
shuffled list of 16 million numbers costs memory and cannot be shared between machines or resumed. So the order is a
one-to-one function from position to index, a different one for each seed.

In words: write a number as a pair (left, right) with left < a and right < b, where a is the square root of n, rounded
up, and a * b just covers n. A round adds a scrambled copy of one half to the other, modulo a or b; rounds alternate.
Subtracting the same undoes it, whatever the scrambling does, so the whole is one-to-one on 0..ab-1: a Feistel network.
A result of n or more is put in again until it is below n (cycle walking). A cycle through a number below n comes back
below n, and no two starts meet. Since ab - n < a, only about one number in sqrt(n) needs that.

Why six rounds: with ideal round functions, four make the order look random to an observer of fewer than n^(1/4) values
(Luby and Rackoff 1988), six to an observer of nearly n^(1/2) (Patarin 2004). The purpose is spreading, not secrecy. The
round function and the key schedule use the multiply and xor-shift steps of SplitMix64 (Steele, Lea, Flood 2014).
Numbers as pairs: Black and Rogaway, "Ciphers with Arbitrary Finite Domains" (2002).

The order is part of saved states: a change here changes the meaning of every checkpoint.
"""

from math import isqrt
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.uint64]
_Number = TypeVar("_Number", int, NDArray[Any])

ROUNDS = 6
MAX_N = 2**63

_WORD = 2**64 - 1
# SplitMix64: the golden-ratio increment and the two multipliers (Stafford's mix 13).
_GAMMA = 0x9E3779B97F4A7C15
_MULTIPLIER_1 = 0xBF58476D1CE4E5B9
_MULTIPLIER_2 = 0x94D049BB133111EB


class Permutation:
    """The order of 0..n-1 that belongs to `seed`: `permutation[position]` is the index visited at that position."""

    __slots__ = ("_a", "_b", "_keys", "n", "seed")

    def __init__(self, n: int, seed: int) -> None:
        if not 0 <= n <= MAX_N:
            raise ValueError(f"n is {n}, must be 0 to 2**63")
        if not 0 <= seed <= _WORD:
            raise ValueError(f"seed is {seed}, must be 0 to 2**64-1")
        self.n = n
        self.seed = seed
        self._a = isqrt(max(n - 1, 0)) + 1
        self._b = max(-(-n // self._a), 1)
        self._keys = tuple(_splitmix64(seed + turn * _GAMMA) for turn in range(1, ROUNDS + 1))

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"Permutation(n={self.n}, seed={self.seed})"

    def __getitem__(self, position: int) -> int:
        """Return the index at `position`.

        Raises:
            IndexError: when `position` is not 0 to n-1.
        """
        value = self._encipher(self._checked(position))
        while value >= self.n:
            value = self._encipher(value)
        return value

    def inverse(self, index: int) -> int:
        """Return the position of `index`.

        Raises:
            IndexError: when `index` is not 0 to n-1.
        """
        value = self._decipher(self._checked(index))
        while value >= self.n:
            value = self._decipher(value)
        return value

    def many(self, positions: Indices) -> Indices:
        """Return the index at each position; some thousands at once are fastest.

        Raises:
            IndexError: when a position is not below n.
        """
        if len(positions):
            self._checked(int(positions.max()))
        values = self._encipher(positions)
        outside = np.flatnonzero(values >= self.n)
        while len(outside):
            values[outside] = self._encipher(values[outside])
            outside = outside[values[outside] >= self.n]
        return values

    def block(self, start: int, stop: int) -> Indices:
        """Return the indices at positions start..stop-1.

        Raises:
            IndexError: when a position is not 0 to n-1.
        """
        if start < 0:
            raise IndexError(f"{start} of {self.n}")
        return self.many(np.arange(start, stop, dtype=np.uint64))

    def _checked(self, number: int) -> int:
        if not 0 <= number < self.n:
            raise IndexError(f"{number} of {self.n}")
        return number

    def _encipher(self, value: _Number) -> _Number:
        left = value // self._b
        right = value % self._b
        for turn, key in enumerate(self._keys):
            if turn % 2 == 0:
                left = (left + scrambled(right, key)) % self._a
            else:
                right = (right + scrambled(left, key)) % self._b
        left *= self._b
        left += right
        return left

    def _decipher(self, value: int) -> int:
        left = value // self._b
        right = value % self._b
        for turn in reversed(range(ROUNDS)):
            if turn % 2 == 0:
                left = (left - scrambled(right, self._keys[turn])) % self._a
            else:
                right = (right - scrambled(left, self._keys[turn])) % self._b
        return left * self._b + right


def scrambled(half: _Number, key: int) -> _Number:
    """Return 48 bits that all depend on every bit of `half` (64 bits at most) and of `key` (64 bits)."""
    # The masks keep Python integers to the 64 bits that numpy's have anyway, so that one formula serves both.
    word = ((half ^ key) * _MULTIPLIER_1) & _WORD
    word ^= word >> 29
    word *= _MULTIPLIER_2
    word &= _WORD
    word >>= 16
    return word


def _splitmix64(state: int) -> int:
    """Return one output of the SplitMix64 generator."""
    word = state & _WORD
    word = ((word ^ word >> 30) * _MULTIPLIER_1) & _WORD
    word = ((word ^ word >> 27) * _MULTIPLIER_2) & _WORD
    return word ^ word >> 31

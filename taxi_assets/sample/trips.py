"""Plausible trips: pickup time, duration, distance and fare as a pure function of dataset, month and trip number.

Values are drawn by hashing, not from a random generator's stream, and computed in integer seconds, cents and hundredths
of a mile. A trip is therefore the same on any machine, with any version of numpy, in any order, and again where a
refund record or a duplicate repeats it.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month

Values = NDArray[Any]
Integers = NDArray[np.int64]

# Relative number of pickups by hour of the day.
_HOURLY = (
    *(240, 160, 110, 80, 70, 80, 170, 330, 420, 400, 380, 400),
    *(430, 430, 460, 480, 450, 530, 620, 620, 570, 540, 480, 370),
)
_LATE_SHARE = 30  # the day before and the day after the month have a thirtieth of a day's trips each
_JITTER = 4  # maximum distance, in rows, of the file's order from the order of pickups
_STEPS = 32  # steps of the jitter per row
SERIALS = 256  # maximum number of trips in one second
_DURATIONS = (38, 60, 50, 34, 22, 15, 10, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1)  # weight of each multiple of 256 seconds
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIXING = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


class Trips:
    """The trips with these numbers, of a month with that number of rows; pickups ascend with the numbers."""

    def __init__(self, dataset: Dataset, month: Month, rows: int, numbers: Integers) -> None:
        self.dataset = dataset
        self.month = month
        self.rows = rows
        self.numbers = numbers

    def draw(self, name: str, bound: int) -> Integers:
        """A pseudo-random integer in [0, bound) per trip, seeded by the name."""
        return (self._hashed(name, self.numbers) * np.uint64(bound) >> np.uint64(32)).astype(np.int64)

    def choose(self, name: str, values: Sequence[float | str]) -> Values:
        """One of the values per trip, with equal probability, seeded by the name."""
        kind = object if isinstance(values[0], str) else np.float64
        chosen: Values = np.array(values, dtype=kind)[self.draw(name, len(values))]
        return chosen

    @cached_property
    def pickups(self) -> Values:
        """Pickup times: fewer at night, and very few on the days before and after the month."""
        first_day, end = self.month.first_day, self.month.plus(1).first_day
        day = np.array(_HOURLY)
        late = day // _LATE_SHARE
        trips_in = np.concatenate([late, np.tile(day, (end - first_day).days), late])
        ends = np.cumsum(trips_in * 3600)
        begins = ends - trips_in * 3600
        steps = self.numbers * _STEPS + self.draw("pickup", _JITTER * _STEPS)
        reached = steps * ends[-1] // ((self.rows + _JITTER) * _STEPS)
        hours = np.searchsorted(ends, reached, side="right")
        seconds = (reached - begins[hours]) // trips_in[hours]
        pickups: Values = np.datetime64(first_day - timedelta(days=1), "s") + hours * 3600 + seconds
        return pickups

    @cached_property
    def serials(self) -> Integers:
        """A number per trip that is unique within a second, as long as fewer than 256 trips begin in it.

        It is part of the duration and of the base's number, so that no two trips are equal by chance.
        """
        shuffled = np.argsort(self._hashed("serial", np.arange(SERIALS)), kind="stable")
        return shuffled[self.numbers % SERIALS]

    @cached_property
    def seconds(self) -> Integers:
        """Durations: 1 to 74 minutes, about 11 for most trips."""
        multiples = np.repeat(np.arange(len(_DURATIONS)), _DURATIONS)
        return 60 + multiples[self.draw("duration", len(multiples))] * SERIALS + self.serials

    @cached_property
    def miles(self) -> Values:
        """Distances in miles, for 7 to 21 miles an hour."""
        return self._hundredths / 100

    @cached_property
    def cents(self) -> Integers:
        """Fares in cents, by distance and duration, in steps of ten cents."""
        return 300 + (self._hundredths * 5 + self.seconds) // 20 * 10

    @cached_property
    def _hundredths(self) -> Integers:
        return self.seconds * (20 + self.draw("speed", 40)) // 100

    def _hashed(self, name: str, numbers: Integers) -> NDArray[np.uint64]:
        """A 32-bit hash per number (SplitMix64), seeded by dataset, month and name."""
        seed = blake2b(f"{self.dataset.name} {self.month} {name}".encode(), digest_size=8).digest()
        state = numbers.astype(np.uint64) * _GAMMA + np.uint64(int.from_bytes(seed, "big"))
        for shift, factor in _MIXING:
            state = (state ^ (state >> shift)) * factor
        return state >> np.uint64(32)

"""Made-up patients: Slovak names, valid mobile numbers, addresses in reserved mail domains."""

from __future__ import annotations

import random
import unicodedata
from typing import NamedTuple

from faker import Faker

_PREFIXES = (905, 907, 908, 910, 911, 915, 917, 918, 940, 944, 948, 949, 950, 951)
_DOMAINS = ("example.com", "example.org", "example.net")
_LOCALES = ("sk",) * 17 + ("en", "hu", "en")
_NAMES = 200


class Person(NamedTuple):
    """A patient."""

    name: str
    surname: str
    email: str
    phone: str
    locale: str


class People:
    """A fixed number of patients, who return."""

    def __init__(self, seed: int, count: int) -> None:
        """Make up ``count`` patients."""
        faker = Faker("sk_SK")
        faker.seed_instance(seed)
        self._rng = random.Random(f"people {seed}")
        self._names = [
            [(faker.first_name_male(), faker.last_name_male()) for _ in range(_NAMES)],
            [(faker.first_name_female(), faker.last_name_female()) for _ in range(_NAMES)],
        ]
        self._known = [self._person(number) for number in range(count)]

    def pick(self, rng: random.Random) -> Person:
        """Return one of the patients."""
        return rng.choice(self._known)

    def doctor(self) -> str:
        """Return the name of a doctor."""
        name, surname = self._rng.choice(self._rng.choice(self._names))
        return f"MUDr. {name} {surname}"

    def phone(self) -> str:
        """Return a Slovak mobile number as ``+4219########``."""
        return f"+421{self._rng.choice(_PREFIXES)}{self._rng.randrange(10**6):06d}"

    def _person(self, number: int) -> Person:
        names = self._rng.choice(self._names)
        name, surname = self._rng.choice(names)[0], self._rng.choice(names)[1]
        mailbox = f"{ascii_letters(name)}.{ascii_letters(surname)}{number}"
        email = f"{mailbox}@{self._rng.choice(_DOMAINS)}"
        return Person(name, surname, email, self.phone(), self._rng.choice(_LOCALES))


def ascii_letters(text: str) -> str:
    """Return ``ladislav`` for ``Ladislav``, ``cierny`` for ``Čierny``."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letters.lower().split())

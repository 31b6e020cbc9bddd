"""Generates ids that sort by time, secrets and tokens, and random jitter.

An id is a prefix and 26 characters of Crockford's base 32: 48 bits of milliseconds, 40 bits of a
counter, and 40 random bits that identify the node. Ids of one node sort in the order they were
generated, and ids of several nodes by the millisecond. Two nodes never generate the same id. A
counter costs a tenth of a random number for each event.
"""

import random
import secrets
from base64 import b64encode
from functools import lru_cache

from winnerr_webhooks.clock import Clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PYTHONS_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
"""Translates the digits to those that `int` expects for base 32."""
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
ID_CHARACTERS = frozenset(_ALPHABET)
ID_LENGTH = 26


def _base32(value: int, length: int) -> str:
    digits = []
    for _ in range(length):
        digits.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(digits))


class Ids:
    """Generates time-ordered ids for one node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._node = _base32(secrets.randbits(40), 8)
        self._counter = 0
        self._ms = -1
        self._second = -1
        self._seconds = ""
        self._prefix = ""
        self._first = ""
        """The prefix with the digits that the first 1,023 ids of a millisecond share."""

    def new(self, kind: str) -> str:
        """Return a new id, such as `evt_01kan…` for the kind `evt`."""
        now = self._clock.now_ms()
        if now > self._ms:  # a clock that is set back must not reorder ids
            self._begin(now)
        self._counter = count = self._counter + 1
        if count <= 1023:  # noqa: PLR2004  two digits
            return f"{kind}_{self._first}{_PAIRS[count]}{self._node}"
        low = _PAIRS[count & 1023]
        mid = _PAIRS[(count >> 10) & 1023]
        high = _base32(count >> 20, 4) if count >> 20 else "0000"
        return f"{kind}_{self._prefix}{high}{mid}{low}{self._node}"

    def _begin(self, now: int) -> None:
        """Begin with the ids of another millisecond."""
        self._ms = now
        if now >> 10 != self._second:  # the first eight characters last about a second
            self._second = now >> 10
            self._seconds = _base32(self._second, 8)
        self._prefix = self._seconds + _PAIRS[now & 1023]
        self._first = self._prefix + "000000"
        self._counter = 0


def id_floor(kind: str, ms: int) -> str:
    """Return the smallest id of a kind that could be generated at `ms`, for ranges by time."""
    return f"{kind}_{_base32(max(ms, 0), 10)}{'0' * 16}"


def id_ms(text: str) -> int:
    """Return the milliseconds since 1970 at which an id was generated (see `id_floor`)."""
    start = text.index("_") + 1
    return _ms_of(text[start : start + 10])


@lru_cache(maxsize=64)
def _ms_of(digits: str) -> int:
    """The number in base 32; under load many ids are of the same millisecond."""
    return int(digits.translate(_PYTHONS_DIGITS), 32)


def is_id(kind: str, text: str) -> bool:
    """Whether `text` has the form of an id of this kind; `dlv` ids are longer than others."""
    head, _, rest = text.partition("_")
    return (
        head == kind and ID_LENGTH <= len(rest) <= ID_LENGTH + 8 and ID_CHARACTERS.issuperset(rest)
    )


def delivery_id(event_id: str, webhook_number: int) -> str:
    """Return the id of a delivery, made of the event's id and the webhook's number.

    An event and a webhook have exactly one delivery. So its id needs no randomness, and two nodes,
    or one node after a crash, always generate the same one.
    """
    return f"dlv_{event_id[4:]}{_PAIRS[webhook_number >> 10 & 1023]}{_PAIRS[webhook_number & 1023]}"


def webhook_number(delivery_id: str) -> int:
    """Return the webhook's number from a delivery's id; -1 if it is not such an id."""
    number = 0
    for digit in delivery_id[-4:]:
        number = number << 5 | _ALPHABET.find(digit)  # stays -1 after a wrong digit
    return number if is_id("dlv", delivery_id) else -1


def new_secret() -> str:
    """Return a signing secret in the Standard Webhooks form: `whsec_` and base64 of 32 bytes."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def new_signing_key() -> str:
    """Return a private key of Ed25519 in the Standard Webhooks form: `whsk_` and base64."""
    return "whsk_" + b64encode(secrets.token_bytes(32)).decode()


def new_api_key() -> str:
    """Return an API key: `wwk_` and 256 random bits in URL-safe base64."""
    return "wwk_" + secrets.token_urlsafe(32)


def new_token() -> str:
    """Return a token for a sign-in link or a session: 256 random bits in URL-safe base64."""
    return secrets.token_urlsafe(32)


class Jitter:
    """Randomizes waits, so that deliveries that failed together are not retried together."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  spreads load, guards nothing

    def around(self, seconds: float, fraction: float = 0.2) -> float:
        """Return `seconds`, randomly up to `fraction` shorter or longer."""
        return seconds * self._random.uniform(1 - fraction, 1 + fraction)

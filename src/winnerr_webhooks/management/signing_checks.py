"""How a webhook signs: the check of `signing`, and the secret or key pair of each kind."""

from collections.abc import Callable

from winnerr_webhooks.domain.ed25519_keys import ED25519, SIGNING_KINDS, check_signing_key
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.signing import check_secret
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.ids import new_secret, new_signing_key


def check_signing(signing: str) -> str:
    """Return the kind of signature. Raises `Invalid` at /signing."""
    if signing not in SIGNING_KINDS:
        raise Invalid.field("/signing", Text("`signing` must be `hmac` or `ed25519`."))
    return signing


def secret_check(signing: str) -> Callable[[str], None]:
    """Return the check of a given secret for this kind of signature."""
    return check_signing_key if signing == ED25519 else check_secret


def generated_secret(signing: str) -> str:
    """Return a new secret, or a new private key."""
    return new_signing_key() if signing == ED25519 else new_secret()

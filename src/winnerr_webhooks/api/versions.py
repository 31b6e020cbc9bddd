"""Versions of a webhook as HTTP names them: `ETag` and `If-Match` (RFC 9110, sections 8.8 and 13).

A caller that sends `If-Match` with the `ETag` it has read changes nothing that it has not seen.
"""

import re
from typing import Final

from winnerr_webhooks.api.json_body import ApiRequest
from winnerr_webhooks.domain.webhook import Webhook

_TAG: Final = re.compile(r'(?<!W/)"([0-9]{1,9})"')


def etag(webhook: Webhook) -> dict[str, str]:
    """The header that names the version of an answer."""
    return {"ETag": f'"{webhook.version}"'}


def wanted_versions(request: ApiRequest) -> list[int] | None:
    """The versions that `If-Match` allows; None: any. A tag that is not ours allows none."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    return [int(version) for version in _TAG.findall(header)]

"""What `listen` shows of one delivery: the whole exchange, and a curl command that repeats it."""

import textwrap

from winnerr_webhooks.cli.listen.line_display import local_time, remedy
from winnerr_webhooks.cli.listen.listener_values import OfferedDelivery, Row
from winnerr_webhooks.settings_page.http_text import curl_command, header_lines

WIDTH = 78
"""Characters of a line of the details."""


def detail_lines(row: Row, forward_to: str) -> list[str]:
    """Return request and response as lines; text of the receiver is in them as it came."""
    offer, exchange = row.offer, row.exchange
    lines = [f"{offer.event}  {offer.delivery_id}  {local_time(row.started_at)}", ""]
    lines += ["Request", *_indented(offer.head.strip()), "", *_indented(offer.body), ""]
    if exchange is None:
        return [*lines, "No answer yet."]
    if exchange.status is None:
        return [*lines, "No response", *_indented(remedy(row, forward_to))]
    lines.append(f"Response  {exchange.status} {exchange.reason}  {exchange.duration_ms:.1f} ms")
    lines += _indented(exchange.response_head.decode("utf-8", "replace").strip())
    lines += ["", *_indented(exchange.response_body.decode("utf-8", "replace"))]
    if exchange.truncated:
        lines += ["  (cut here)"]
    return lines if row.succeeded else [*lines, "", *_indented(remedy(row, forward_to))]


def curl_of(offer: OfferedDelivery, forward_to: str) -> str:
    """Return a command that sends the same request: the same body, headers and signature."""
    headers = header_lines(offer.head.strip().encode())[1:]
    return curl_command(forward_to, headers, offer.body.encode())


def _indented(text: str) -> list[str]:
    """Wrap text into lines, each two columns in."""
    return [
        f"  {part}"
        for line in text.splitlines()
        for part in textwrap.wrap(line, WIDTH - 2, drop_whitespace=False, replace_whitespace=False)
        or [""]
    ]

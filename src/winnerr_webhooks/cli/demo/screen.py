"""What the demo prints: a line for each thing that happens, coloured where that is seen."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from winnerr_webhooks.cli.demo.demo_api import ORGANIZATION, Api
from winnerr_webhooks.cli.demo.demo_webhooks import WEBHOOKS
from winnerr_webhooks.cli.demo.planned_failures import ATTEMPTS
from winnerr_webhooks.cli.demo.receiver import Arrival
from winnerr_webhooks.clock import Clock

_SAMPLE = (
    f'{{"event": "contact.created", "organizationId": "{ORGANIZATION}", '
    '"data": {"id": "contact_xyz", "name": "Jane Smith"}}'
)
_REPLAY = '{"outcome": "failed"}'


class Tally:
    """What the summary counts."""

    def __init__(self) -> None:
        self.accepted = 0
        self.deliveries = 0
        self.delivered: set[str] = set()
        self.gave_up: set[str] = set()
        self.verified = 0
        self.unverified = 0
        self.duplicates = 0
        self.on_purpose = 0
        self.restarts = 0

    def count(self, arrival: Arrival) -> None:
        """Count one request to the receiver."""
        self.verified += arrival.verified
        self.unverified += not arrival.verified
        self.duplicates += arrival.duplicate
        self.on_purpose += bool(arrival.behaviour.why)
        if arrival.behaviour.status == 200:  # noqa: PLR2004  what the receiver answers on success
            self.delivered.add(arrival.delivery)
            self.gave_up.discard(arrival.delivery)
        elif arrival.attempt == ATTEMPTS:
            self.gave_up.add(arrival.delivery)

    @property
    def well(self) -> bool:
        """Every signature held, and something was delivered."""
        return not self.unverified and bool(self.delivered)


class Screen:
    """A terminal, or whatever stdout is: plain lines then."""

    def __init__(self, clock: Clock) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False, soft_wrap=True)
        self._clock = clock

    def say(self, text: str, style: str = "") -> None:
        """One line, with the time."""
        moment = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).astimezone()
        self._console.print(Text.assemble((f"{moment:%H:%M:%S}  ", "dim"), (text, style)))
        sys.stdout.flush()

    def welcome(self, api: Api, link: str, folder: Path, pid: int) -> None:
        """Print the link into the settings page, the addresses, the key, and what to try."""
        authorization = f"-H 'Authorization: Bearer {api.key}'"
        base = f"{api.url}{api.organization_path}"
        names = ", ".join(name for name, _ in WEBHOOKS.values())
        self._lines(
            ("Winnerr Webhooks demo", "bold"),
            ("", ""),
            (f"  Settings   {link}", "bold"),
            ("             opens the page already signed in; once, within 10 minutes", "dim"),
            (f"  API        {api.url}  (reference: {api.url}/api/docs)", ""),
            (f"  API key    {api.key}", ""),
            (f"  Webhooks   {names}: one receiver, which verifies both signatures", ""),
            (f"  Data       {folder}  (the server's own words: {folder / 'server.log'})", ""),
            (f"  Server     process {pid}: try kill -9 {pid}, nothing is lost", ""),
            ("", ""),
            ("Try in another terminal", "bold"),
            ("", ""),
            ("  # send an event", "dim"),
            (f"  curl {api.url}/api/v1/events {authorization} -d '{_SAMPLE}'", ""),
            ("  # what was attempted last", "dim"),
            (f"  curl '{base}/logs?limit=5' {authorization}", ""),
            ("  # replay everything that failed", "dim"),
            (f"  curl {base}/replays {authorization} -d '{_REPLAY}'", ""),
            ("", ""),
            ("Ctrl-C stops it all.", "bold"),
            ("", ""),
        )

    def arrival(self, arrival: Arrival) -> None:
        """One request to a receiver."""
        does = arrival.behaviour
        good = arrival.verified and not does.why
        sign, style = (
            ("✓", "green") if good else ("~", "yellow") if arrival.verified else ("✕", "red")
        )
        signature = "verified" if arrival.verified else "WRONG SIGNATURE"
        notes = [f"attempt {arrival.attempt}", signature]
        if does.why:
            notes.append(f"on purpose: {does.why}")
        if arrival.duplicate:
            notes.append("duplicate, dropped by its X-Winnerr-Delivery")
        name, _ = WEBHOOKS[arrival.receiver]
        self.say(f"{sign} {does.status}  {arrival.event:<26} {name:<15} {', '.join(notes)}", style)

    def gave_up(self, api: Api, arrival: Arrival) -> None:
        """The last attempt of a delivery failed: say how to replay it."""
        self.say(f"  gave up after {ATTEMPTS} attempts; send it once more with", "yellow")
        replay = f"{api.url}{api.organization_path}/deliveries/{arrival.delivery}/replay"
        self._lines((f"  curl -X POST {replay} -H 'Authorization: Bearer {api.key}'", ""))

    def summary(self, tally: Tally, waiting: int, folder: Path) -> None:
        """Print what the run came to."""
        rest = f" {waiting} wait for a retry; the next run makes it." if waiting else ""
        if tally.gave_up:
            rest += f" {len(tally.gave_up)} failed for good, until replayed."
        self._lines(
            ("", ""),
            (f"  {tally.accepted:>6} events accepted, {tally.deliveries} deliveries", ""),
            (f"  {len(tally.delivered):>6} delivered.{rest}", "green"),
            (f"  {tally.verified:>6} signed requests verified, {tally.unverified} not", ""),
            (f"  {tally.on_purpose:>6} failures on purpose", ""),
            (f"  {tally.duplicates:>6} duplicates, {tally.restarts} restarts of the server", ""),
            (f"  Everything is in {folder}; delete it to start anew.", "dim"),
        )

    def _lines(self, *lines: tuple[str, str]) -> None:
        for text, style in lines:
            self._console.print(Text(text, style))
        sys.stdout.flush()

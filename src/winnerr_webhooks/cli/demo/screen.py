"""The demo's output: one line for each thing that happens, with colours on a terminal."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from winnerr_webhooks.cli.demo.demo_api import ORGANIZATION, DemoApi
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
    """The counts that the summary shows."""

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
    def succeeded(self) -> bool:
        """Whether all signatures were valid and something was delivered."""
        return not self.unverified and bool(self.delivered)


class Screen:
    """Prints to stdout, without colours if that is not a terminal."""

    def __init__(self, clock: Clock) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False, soft_wrap=True)
        self._clock = clock

    def say(self, text: str, style: str = "") -> None:
        """Print a line with the time."""
        moment = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).astimezone()
        self._console.print(Text.assemble((f"{moment:%H:%M:%S}  ", "dim"), (text, style)))
        sys.stdout.flush()

    def welcome(self, api: DemoApi, link: str, folder: Path, pid: int) -> None:
        """Print the link to the settings page, the URLs, the API key, and commands to try."""
        authorization = f"-H 'Authorization: Bearer {api.key}'"
        base = f"{api.url}{api.organization_path}"
        names = ", ".join(name for name, _ in WEBHOOKS.values())
        self._lines(
            ("Winnerr Webhooks demo", "bold"),
            ("", ""),
            (f"  Settings   {link}", "bold"),
            ("             opens the page signed in; works once, within 10 minutes", "dim"),
            (f"  API        {api.url}  (reference: {api.url}/api/docs)", ""),
            (f"  API key    {api.key}", ""),
            (f"  Webhooks   {names}: one receiver, which verifies both signatures", ""),
            (f"  Data       {folder}  (the server's log: {folder / 'server.log'})", ""),
            (f"  Server     process {pid}: try kill -9 {pid}, nothing is lost", ""),
            ("", ""),
            ("Try in another terminal", "bold"),
            ("", ""),
            ("  # send an event", "dim"),
            (f"  curl {api.url}/api/v1/events {authorization} -d '{_SAMPLE}'", ""),
            ("  # show the latest attempts", "dim"),
            (f"  curl '{base}/logs?limit=5' {authorization}", ""),
            ("  # replay everything that failed", "dim"),
            (f"  curl {base}/replays {authorization} -d '{_REPLAY}'", ""),
            ("", ""),
            ("Ctrl-C stops everything.", "bold"),
            ("", ""),
        )

    def arrival(self, arrival: Arrival) -> None:
        """Print a request to a receiver."""
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

    def gave_up(self, api: DemoApi, arrival: Arrival) -> None:
        """Print how to replay a delivery whose last attempt failed."""
        self.say(f"  gave up after {ATTEMPTS} attempts; replay it with", "yellow")
        replay = f"{api.url}{api.organization_path}/deliveries/{arrival.delivery}/replay"
        self._lines((f"  curl -X POST {replay} -H 'Authorization: Bearer {api.key}'", ""))

    def summary(self, tally: Tally, waiting: int, folder: Path) -> None:
        """Print the results of the run."""
        rest = f" {waiting} wait for a retry in the next run." if waiting else ""
        if tally.gave_up:
            rest += f" {len(tally.gave_up)} failed, and can be replayed."
        self._lines(
            ("", ""),
            (f"  {tally.accepted:>6} events accepted, {tally.deliveries} deliveries", ""),
            (f"  {len(tally.delivered):>6} delivered.{rest}", "green"),
            (f"  {tally.verified:>6} signed requests verified, {tally.unverified} not", ""),
            (f"  {tally.on_purpose:>6} failures on purpose", ""),
            (f"  {tally.duplicates:>6} duplicates, {tally.restarts} restarts of the server", ""),
            (f"  All data is in {folder}; delete it to start from scratch.", "dim"),
        )

    def _lines(self, *lines: tuple[str, str]) -> None:
        for text, style in lines:
            self._console.print(Text(text, style))
        sys.stdout.flush()

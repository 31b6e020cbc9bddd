"""Who may do what: keys, organizations, and what is judged before what."""

import asyncio

import pytest

from winnerr_webhooks.api.auth import REMEMBERED_SECONDS, Authenticator
from winnerr_webhooks.domain.errors import Unauthorized, Unavailable
from winnerr_webhooks.ids import new_api_key
from winnerr_webhooks.quotas import Bound, Budget

EVENT = {"event": "contact.created", "organizationId": "org_1", "data": {}}


def lookups(limit=16):
    bound = Bound("key_lookups", limit, "lookups at once", "a test", "api.auth", "503")
    return Budget(bound, HandClock())


class HandClock:
    def __init__(self):
        self.seconds = 1000.0

    def now_ms(self):
        return int(self.seconds * 1000)

    def monotonic(self):
        return self.seconds


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/event-types", "~/webhooks"])
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer wwk_" + "A" * 43,
        "Bearer wwk_\xe9",
        "wwk_x",
    ],
)
async def test_without_a_working_key_it_is_401_and_says_how(api, path, header):
    headers = {} if header is None else {"Authorization": header}
    method = "POST" if path.endswith("events") else "GET"
    response, raw = await api.raw(method, path, key=None, headers=headers)
    assert response.status == 401, raw
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert b"API key" in raw


async def test_two_keys_in_one_request_are_none(api):
    """Which of them was meant is not guessed at."""
    reader, writer = await api.connect()
    line = f"Authorization: Bearer {api.key}\r\n"
    for path in ("/api/v1/event-types", "/api/v1/events"):
        method = "POST" if path.endswith("events") else "GET"
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{line}{line}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 401 " in head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()


async def test_the_scheme_is_read_in_any_case(api):
    response, _ = await api.raw(
        "GET", "/api/v1/event-types", key=None, headers={"Authorization": f"bearer {api.key}"}
    )
    assert response.status == 200


async def test_a_new_key_works_at_once_even_after_a_failed_try(api):
    made = await api.keys.create("late")
    assert (await api.call("GET", "/api/v1/event-types", key=made.secret))[0] == 200


async def test_another_organization_is_404_before_the_body_is_looked_at(api):
    key = (await api.keys.create("theirs", "org_2")).secret
    for method, path in [
        ("GET", "~/webhooks"), ("POST", "~/webhooks"), ("GET", "~/logs?limit=bad"),
        ("POST", "~/replays"), ("GET", "~/events/evt_x"), ("DELETE", "~/webhooks/wh_x"),
    ]:  # fmt: skip
        status, _ = await api.call(method, path, b"not json", key=key)
        assert (method, path, status) == (method, path, 404)


async def test_an_own_key_reaches_its_own_organization(api):
    key = (await api.keys.create("ours", "org_1")).secret
    assert (await api.call("GET", "~/webhooks", key=key))[0] == 200
    assert (await api.call("POST", "/api/v1/events", EVENT, key=key))[0] == 202


async def test_an_event_of_another_organization_is_403(api):
    key = (await api.keys.create("theirs", "org_2")).secret
    status, answer = await api.call("POST", "/api/v1/events", EVENT, key=key)
    assert status == 403
    assert answer["type"] == "/api/docs#forbidden"


async def test_things_of_another_organization_are_404_before_the_body_is_looked_at(api):
    webhook = (await api.webhook())["id"]
    other = "/api/v1/organizations/org_2/webhooks/" + webhook
    for method, path in [
        ("GET", other), ("PATCH", other), ("DELETE", other), ("GET", other + "/secret"),
        ("PUT", other + "/secret"), ("DELETE", other + "/secret"), ("POST", other + "/test"),
    ]:  # fmt: skip
        status, _ = await api.call(method, path, b"\xff" * 70_000)
        assert (method, path, status) == (method, path, 404)
    assert (await api.call("GET", f"~/webhooks/{webhook}"))[0] == 200


@pytest.mark.parametrize("organization", ["org%201", "o" * 65, "org%00", "%E2%98%83"])
async def test_a_service_key_with_an_impossible_organization_is_422(api, organization):
    status, answer = await api.call("GET", f"/api/v1/organizations/{organization}/webhooks")
    assert status == 422
    assert answer["errors"][0]["pointer"] == "/organizationId"


async def test_cookies_are_ignored(api):
    headers = {"Cookie": f"session={api.key}; \xff=;;"}
    response, _ = await api.raw("GET", "~/webhooks", key=None, headers=headers)
    assert response.status == 401


async def test_a_revoked_key_works_for_five_seconds_at_most(api):
    clock = HandClock()
    authenticator = Authenticator(api.storage, clock, api.services.budgets.key_lookups)
    made = await api.keys.create("soon gone")
    header = f"Bearer {made.secret}".encode()
    assert (await authenticator.caller(header)).key_id == made.key.id
    await api.keys.revoke(made.key.id)
    clock.seconds += REMEMBERED_SECONDS - 0.1
    assert (await authenticator.caller(header)).key_id == made.key.id
    clock.seconds += 0.2
    with pytest.raises(Unauthorized):
        await authenticator.caller(header)


async def test_a_known_key_needs_no_database_and_an_unknown_one_is_unavailable_without():
    class Gone:
        async def key_by_hash(self, _hash, *, aside):
            raise Unavailable("The database is away.")

    authenticator = Authenticator(Gone(), HandClock(), lookups())
    with pytest.raises(Unavailable):
        await authenticator.caller(f"Bearer {new_api_key()}".encode())


async def test_the_memory_of_keys_is_bounded(api, monkeypatch):
    monkeypatch.setattr("winnerr_webhooks.api.auth.REMEMBERED_KEYS", 2)
    authenticator = Authenticator(api.storage, HandClock(), api.services.budgets.key_lookups)
    for name in ("a", "b", "c"):
        secret = (await api.keys.create(name)).secret
        await authenticator.caller(f"Bearer {secret}".encode())
    assert len(authenticator._callers) == 2


async def test_of_one_key_few_spellings_are_remembered(api):
    authenticator = Authenticator(api.storage, HandClock(), api.services.budgets.key_lookups)
    secret = (await api.keys.create("many spaces")).secret
    for spaces in range(1, 50):
        header = f"Bearer{' ' * spaces}{secret}".encode()
        assert await authenticator.caller(header) is not None
        assert (authenticator.remembered(header) is not None) == (spaces == 1)


class Watched:
    """Storage whose lookups of keys are counted, and wait until they may answer."""

    def __init__(self, storage):
        self.storage = storage
        self.on_road = self.aside = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def key_by_hash(self, key_hash, *, aside=False):
        self.aside += aside
        self.on_road += not aside
        if aside:
            await self.may_answer.wait()
        return await self.storage.key_by_hash(key_hash, aside=aside)


async def refusal(authenticator, header):
    with pytest.raises((Unauthorized, Unavailable)) as caught:
        await authenticator.caller(header)
    return caught.value


def unknown():
    return f"Bearer {new_api_key()}".encode()


async def test_an_unknown_key_is_looked_up_once_in_five_seconds_and_never_on_the_road(api):
    clock, storage = HandClock(), Watched(api.storage)
    authenticator = Authenticator(storage, clock, lookups())
    header = unknown()
    for _ in range(3):
        assert isinstance(await refusal(authenticator, header), Unauthorized)
    assert (storage.aside, storage.on_road) == (1, 0)
    clock.seconds += REMEMBERED_SECONDS + 0.1
    await refusal(authenticator, header)
    assert (storage.aside, storage.on_road) == (2, 0)


async def test_beyond_the_limit_of_lookups_only_unknown_keys_are_unavailable(api):
    """Meanwhile a key that worked before is looked up again, apart from them."""
    clock, storage = HandClock(), Watched(api.storage)
    authenticator = Authenticator(storage, clock, lookups(limit=2))
    header = f"Bearer {api.key}".encode()
    caller = await authenticator.caller(header)
    clock.seconds += REMEMBERED_SECONDS + 0.1
    storage.may_answer.clear()
    flood = [asyncio.create_task(refusal(authenticator, unknown())) for _ in range(3)]
    assert isinstance(await flood[2], Unavailable)
    assert (await authenticator.caller(header)).key_id == caller.key_id
    assert storage.on_road == 1
    storage.may_answer.set()
    assert [type(await one) for one in flood[:2]] == [Unauthorized] * 2
    assert isinstance(await refusal(authenticator, unknown()), Unauthorized)


async def test_a_key_asked_for_by_many_at_once_is_looked_up_once(api):
    storage = Watched(api.storage)
    authenticator = Authenticator(storage, HandClock(), lookups(limit=1))
    header = f"Bearer {api.key}".encode()
    callers = await asyncio.gather(*(authenticator.caller(header) for _ in range(20)))
    assert len({caller.key_id for caller in callers}) == 1
    assert (storage.aside, storage.on_road) == (1, 0)


async def test_a_key_in_use_is_looked_up_again_once_before_it_is_forgotten(api):
    clock, storage = HandClock(), Watched(api.storage)
    authenticator = Authenticator(storage, clock, lookups())
    header = f"Bearer {api.key}".encode()
    await authenticator.caller(header)
    clock.seconds += REMEMBERED_SECONDS - 0.5
    assert all(authenticator.remembered(header) for _ in range(20))
    await asyncio.gather(*authenticator._renewals.values())
    clock.seconds += REMEMBERED_SECONDS - 1.5
    assert authenticator.remembered(header) is not None
    assert (storage.aside, storage.on_road) == (1, 1)


async def test_a_known_key_that_expired_is_looked_up_once_for_all_who_ask(api):
    clock, storage = HandClock(), Watched(api.storage)
    authenticator = Authenticator(storage, clock, lookups())
    header = f"Bearer {api.key}".encode()
    await authenticator.caller(header)
    clock.seconds += REMEMBERED_SECONDS + 0.1
    await asyncio.gather(*(authenticator.caller(header) for _ in range(20)))
    assert (storage.aside, storage.on_road) == (1, 1)


async def test_a_revoked_key_is_forgotten_when_it_is_looked_up_again(api):
    clock = HandClock()
    authenticator = Authenticator(api.storage, clock, lookups())
    made = await api.keys.create("soon gone")
    header = f"Bearer {made.secret}".encode()
    await authenticator.caller(header)
    await api.keys.revoke(made.key.id)
    clock.seconds += REMEMBERED_SECONDS - 0.5
    assert authenticator.remembered(header) is not None
    await asyncio.gather(*authenticator._renewals.values())
    assert authenticator.remembered(header) is None
    with pytest.raises(Unauthorized):
        await authenticator.caller(header)


async def test_a_caller_that_goes_away_takes_its_key_from_nobody_else(api):
    storage = Watched(api.storage)
    authenticator = Authenticator(storage, HandClock(), lookups(limit=1))
    storage.may_answer.clear()
    header = f"Bearer {api.key}".encode()
    gone, stays = (asyncio.create_task(authenticator.caller(header)) for _ in range(2))
    while not storage.aside:
        await asyncio.sleep(0)
    gone.cancel()
    storage.may_answer.set()
    assert (await stays).organization is None


async def test_the_memory_of_unknown_keys_is_bounded(api, monkeypatch):
    monkeypatch.setattr("winnerr_webhooks.api.auth.REMEMBERED_KEYS", 2)
    authenticator = Authenticator(api.storage, HandClock(), lookups())
    for _ in range(3):
        await refusal(authenticator, unknown())
    assert len(authenticator._unknown) == 2


async def test_a_key_that_works_is_not_forgotten_while_the_database_is_away(api):
    clock, storage = HandClock(), Watched(api.storage)
    authenticator = Authenticator(storage, clock, lookups())
    header = f"Bearer {api.key}".encode()
    await authenticator.caller(header)
    clock.seconds += REMEMBERED_SECONDS + 0.1

    async def gone(_hash, *, aside=False):
        raise Unavailable("The database is away.")

    storage.key_by_hash, there = gone, storage.key_by_hash
    assert isinstance(await refusal(authenticator, header), Unavailable)
    storage.key_by_hash = there
    await authenticator.caller(header)
    assert storage.on_road == 1

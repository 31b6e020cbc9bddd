"""The types of webhooks in the API, as a program meets them."""

import typing

from winnerr_webhooks_sdk import api_types


def test_a_draft_says_which_fields_must_be_there_and_their_types_can_be_read():
    assert api_types.WebhookDraft.__required_keys__ == {"url", "events"}
    assert {"filter", "rateLimit", "ordered", "auth"} <= api_types.WebhookDraft.__optional_keys__
    assert not api_types.WebhookPatch.__required_keys__
    assert not api_types.Webhook.__optional_keys__
    kinds = typing.get_type_hints(api_types.Webhook)
    assert kinds["signing"] == typing.Literal["hmac", "ed25519"]
    assert (
        kinds["retrySchedule"]
        == typing.Union[typing.Literal["standard", "long"], typing.List[float]]
    )

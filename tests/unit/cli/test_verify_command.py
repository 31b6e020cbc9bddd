"""`verify`: what it reads, prints and returns."""

import hashlib
import hmac
import json

import pytest

SECRET = "a secret of ours"
BODY = '{"event":"contact.created","data":{"id":"c1"}}'
DIGEST = hmac.new(SECRET.encode(), BODY.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def verify(run, monkeypatch, tmp_path):
    """Run `verify` with the secret in the environment and files in the working folder."""
    monkeypatch.setenv("WINNERR_WEBHOOK_SECRET", SECRET)

    def command(*words, body=BODY, **options):
        (tmp_path / "body").write_text(body)
        return run("verify", "--body", "body", *words, **options)

    return command


def test_a_valid_signature_ends_with_0(verify, tmp_path):
    (tmp_path / "headers").write_text(f"Host: example.com\nX-Winnerr-Signature: sha256={DIGEST}\n")
    done = verify("--headers", "headers")
    assert (done.returncode, done.stdout) == (0, "The signature is valid.\n")


def test_each_mistake_is_printed_with_what_to_do_and_ends_with_1(verify):
    done = verify("--signature", DIGEST, body=BODY + "\n")
    assert done.returncode == 1
    assert done.stdout.startswith("1. trailing_newline\n   The body has a line break")
    assert "2. prefix\n" in done.stdout
    assert done.stdout.count("What to do: ") == 2
    assert SECRET not in done.stdout + done.stderr


def test_json_is_for_scripts(verify):
    done = verify("--signature", f"sha256={DIGEST}", "--json", body=BODY.replace(":", ": "))
    found = json.loads(done.stdout)
    assert found["valid"] is False
    assert found["proven"] is True
    assert [one["name"] for one in found["mistakes"]] == ["reserialized"]
    assert set(found["mistakes"][0]) == {"name", "explanation", "remedy"}


def test_body_secret_and_signature_can_come_from_stdin_and_files(run, tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "old").write_text("the one before\n")
    words = ("verify", "--body", "-", "--signature", f"sha256={DIGEST}", "--secret-file", "secret")
    done = run(*words, "--previous-secret-file", "old", stdin=BODY)
    assert done.stdout.startswith("1. whitespace_in_secret\n")


def test_the_time_of_receipt_and_the_tolerance_decide_whether_it_is_too_old(run):
    key = SECRET.encode()
    signed = hmac.new(key, f"evt_1.1736950982.{BODY}".encode(), hashlib.sha256).digest().hex()
    words = ("verify", "--body", "-", "--signature", signed, "--id", "evt_1", "--secret", SECRET)
    words = (*words, "--timestamp", "1736950982")
    at = ("--at", "2025-01-15T16:23:02+01:00", "--json")
    names = json.loads(run(*words, *at, stdin=BODY).stdout)["mistakes"]
    assert [one["name"] for one in names] == ["encoding", "prefix", "too_old"]
    names = json.loads(run(*words, *at, "--tolerance", "3600", stdin=BODY).stdout)["mistakes"]
    assert [one["name"] for one in names] == ["encoding", "prefix"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Give the request's headers"),
        (("--signature", "x", "--headers", "body"), "Give the request's headers"),
        (("--signature", "x", "--at", "yesterday"), "expected a time such as"),
        (("--signature", "x", "--secret", "a", "--secret-file", "body"), "not both"),
        (("--headers", "-", "--secret-file", "-"), "Only one of the files"),
    ],
)
def test_wrong_usage_ends_with_2(verify, words, says):
    done = verify(*words)
    assert done.returncode == 2
    assert says in done.stderr


def test_without_a_secret_it_says_where_to_put_one(run):
    done = run("verify", "--body", "-", "--signature", "x")
    assert done.returncode == 2
    assert "WINNERR_WEBHOOK_SECRET" in done.stderr


def test_a_missing_file_is_named(verify):
    done = verify("--headers", "nowhere")
    assert done.returncode == 1
    assert "nowhere" in done.stderr

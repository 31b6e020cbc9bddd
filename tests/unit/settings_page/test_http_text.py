"""Bodies, header lines and the curl command of an attempt."""

import subprocess
import sys

from winnerr_webhooks.settings_page.http_text import body_text, curl_command, header_lines


def test_only_json_is_indented_and_its_digits_stay():
    body = body_text(b'{"n":1.0,"big":12345678901234567890}', "application/json")
    assert body.indented == '{\n  "n": 1.0,\n  "big": 12345678901234567890\n}'
    assert body_text(b"{broken", "application/json").indented is None
    assert body_text(b"[" * 60_000, "application/json").indented is None
    assert body_text(b"<html>{}</html>", "text/html").indented is None


def test_what_the_log_masks_is_a_placeholder_in_the_curl_command():
    line = curl_command("https://a.example/", [("Authorization", "Bearer •••")], b"{}")
    assert "-H 'Authorization: Bearer <secret>'" in line


def test_headers_are_lines_as_they_were_sent():
    head = b"POST /hook HTTP/1.1\r\nHost: a:1\r\nX-A:b\r\nX-Empty:\r\n"
    assert header_lines(head) == [
        ("POST /hook HTTP/1.1", ""), ("Host", "a:1"), ("X-A", "b"), ("X-Empty", ""),
    ]  # fmt: skip


def test_the_curl_command_sends_the_same_bytes_in_a_real_shell(tmp_path):
    body = """{"a":"it's $HOME `x` \\\\ \\"q\\" é"}""".encode()
    line = curl_command(
        "https://b\u00fccher.example/a/../\u00e9?b='c'&d=[1-9]{x,y}",
        [("X-A", "1 'two'"), ("Host", "h")],
        body,
    )
    fake = tmp_path / "curl"
    fake.write_text(f"#!{sys.executable}\nimport sys\nprint(repr(sys.argv[1:]))\n")
    fake.chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == repr(
        [
            "--globoff",
            "--path-as-is",
            "https://xn--bcher-kva.example/a/../%C3%A9?b='c'&d=[1-9]%7Bx,y%7D",
            "-H",
            "X-A: 1 'two'",
            "--data-binary",
            body.decode(),
        ]
    )

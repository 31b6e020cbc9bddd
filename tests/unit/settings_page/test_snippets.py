"""The code examples that verify signatures, each run by its language.

A harness in each language runs the snippet. It reads one case per line, the body and the signature
in base64 (`-` when there is no such header), and prints `true` or `false`.
"""

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from html import unescape
from pathlib import Path

import pytest

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import Branding, make_branding, parse_signature_format
from winnerr_webhooks.settings_page.snippets import snippets
from winnerr_webhooks.settings_page.templating import make_environment

URL = "https://example.com/hooks/winnerr?token=in-the-query"
VARIABLE = "WINNERR_WEBHOOK_SECRET"
SECRET = "a secret of Zoë's: \N{KEY}"
PAYLOAD = {"event": "contact.created", "data": {"name": "Zoë \N{HOT BEVERAGE} 日本"}}
BODY = json.dumps(PAYLOAD, ensure_ascii=False, separators=(",", ":")).encode()
VECTORS = Path(__file__).parents[3] / "sdk/vectors.json"
LANGUAGES = ("node", "python", "go", "php", "ruby", "java")

HARNESSES = {
    "node": """
import { createInterface } from "node:readline";
import { verify } from "./snippet.mjs";
for await (const line of createInterface({ input: process.stdin })) {
  const [body, signature] = line.split(" ");
  const header = signature === "-" ? undefined : Buffer.from(signature, "base64").toString();
  console.log(verify(Buffer.from(body, "base64"), header));
}
""",
    "python": """
import base64, sys
from snippet import verify
for line in sys.stdin:
    body, signature = line.rstrip("\\n").split(" ")
    header = None if signature == "-" else base64.b64decode(signature).decode()
    print(str(verify(base64.b64decode(body), header)).lower())
""",
    "go": """
package main
import ("bufio"; "encoding/base64"; "fmt"; "os"; "strings")
func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		body, signature, _ := strings.Cut(lines.Text(), " ")
		raw, _ := base64.StdEncoding.DecodeString(body)
		header, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(signature, "-"))
		fmt.Println(verify(raw, string(header)))
	}
}
""",
    "php": """<?php
declare(strict_types=1);
error_reporting(E_ALL);
set_error_handler(fn ($level, $message) => throw new ErrorException($message));
require __DIR__ . '/snippet.php';
while (($line = fgets(STDIN)) !== false) {
    [$body, $signature] = explode(' ', rtrim($line, "\\n"));
    $header = $signature === '-' ? null : base64_decode($signature);
    echo var_export(verify(base64_decode($body), $header), true), "\\n";
}
""",
    "ruby": """
require_relative "snippet"
$stdin.each_line(chomp: true) do |line|
  body, signature = line.split(/ /, -1)
  header = signature.unpack1("m") unless signature == "-"
  puts verify(body.unpack1("m"), header)
end
""",
    "java": """
import java.util.Base64;
public final class Harness {
    public static void main(String[] args) throws Exception {
        var lines = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        var base64 = Base64.getDecoder();
        for (String line; (line = lines.readLine()) != null; ) {
            String[] parts = line.split(" ", -1);
            byte[] body = base64.decode(parts[0]);
            String header = parts[1].equals("-") ? null : new String(base64.decode(parts[1]));
            System.out.println(WebhookSignature.verify(body, header));
        }
    }
}
""",
}  # fmt: skip


BRANDING = Config().branding
OTHER_PRODUCT = make_branding(
    "Winnerr",
    "",
    "Authentication",
    parse_signature_format("key='a\\u0041\"#$x\\',sign={base64} %d"),
)
"""Its format has the characters that string literals of these languages escape."""


def codes(url: str = URL, branding: Branding = BRANDING) -> dict[str, str]:
    environment = make_environment(str)
    return {snippet.slug: snippet.code for snippet in snippets(environment, url, branding)}


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Receiver:
    """The snippet of one language in a harness that runs it."""

    def __init__(self, language, folder, branding=BRANDING):
        self.language = language
        self.folder = folder
        self.command = getattr(self, f"_{language}")(
            codes(branding=branding)[language], HARNESSES[language]
        )

    def verifies(self, cases, **environment):
        """For each (body, signature), whether the snippet accepts it."""
        lines = [
            f"{b64encode(body).decode()} "
            f"{'-' if signature is None else b64encode(signature.encode()).decode()}\n"
            for body, signature in cases
        ]
        answers = self._run(*self.command, lines="".join(lines), environment=environment)
        assert set(answers) <= {"true", "false"}
        assert len(answers) == len(lines)
        return [answer == "true" for answer in answers]

    def _run(self, *command, lines="", environment=()):
        inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
        ended = subprocess.run(
            command,
            input=lines.encode(),
            capture_output=True,
            cwd=self.folder,
            env=inherited | {"LC_ALL": "C.UTF-8"} | dict(environment),
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout.decode().split()

    def _write(self, **files):
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text.lstrip("\n"), "utf-8")

    def _node(self, code, harness):
        self._write(snippet__mjs=code, harness__mjs=harness)
        return [_installed("node"), "harness.mjs"]

    def _python(self, code, harness):
        self._write(snippet__py=code, harness__py=harness)
        return [sys.executable, "harness.py"]

    def _go(self, code, harness):
        go = _installed("go")
        self._write(snippet__go=code, harness__go=harness)
        # Sharing the usual build cache avoids compiling the standard library for each test.
        offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        files = ("snippet.go", "harness.go")
        self._run(go, "build", "-o", "receiver", *files, environment=offline)
        return [self.folder / "receiver"]

    def _php(self, code, harness):
        self._write(snippet__php=code, harness__php=harness)
        return [_installed("php"), "harness.php"]

    def _ruby(self, code, harness):
        self._write(snippet__rb=code, harness__rb=harness)
        return [_installed("ruby"), "-w", "harness.rb"]

    def _java(self, code, harness):
        javac, java = _installed("javac"), _installed("java")
        self._write(WebhookSignature__java=code, Harness__java=harness)
        self._run(
            javac,
            "-Xlint:all",
            "-Werror",
            "-encoding",
            "UTF-8",
            "WebhookSignature.java",
            "Harness.java",
        )
        return [java, "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "Harness"]


def _installed(program):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here")
    return found


@pytest.fixture(scope="module", params=LANGUAGES)
def receiver(request, tmp_path_factory):
    return Receiver(request.param, tmp_path_factory.mktemp(request.param))


def test_only_the_signature_of_the_exact_bytes_is_accepted(receiver):
    right = sign(BODY)
    digit = "0" if right[-1] != "0" else "1"
    again = json.dumps(PAYLOAD).encode()
    no_text = b"\xff\x00\xc3\r\n"
    cases = {
        "the right one": (BODY, right),
        "the right one of bytes that are no text": (no_text, sign(no_text)),
        "the right one of nothing": (b"", sign(b"")),
        "another digit": (BODY, right[:-1] + digit),
        "another secret's": (BODY, sign(BODY, "another secret")),
        "of the same JSON written anew": (BODY, sign(again)),
        "over the same JSON written anew": (again, right),
        "over one byte more": (BODY + b"\n", right),
        "none": (BODY, None),
        "an empty one": (BODY, ""),
        "the scheme alone": (BODY, "sha256="),
        "the digest alone": (BODY, right.removeprefix("sha256=")),
        "one character short": (BODY, right[:-1]),
        "one character long": (BODY, right + "0"),
        "twice": (BODY, f"{right},{right}"),
        "as many characters, more bytes": (BODY, right[:-1] + "é"),
        "as many bytes, fewer characters": (BODY, right[:-2] + "é"),
    }
    verified = receiver.verifies(cases.values(), **{VARIABLE: SECRET})
    accepted = {case for case, passed in zip(cases, verified, strict=True) if passed}
    assert accepted == {case for case in cases if case.startswith("the right one")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_products_own_format_is_the_only_one_accepted(language, tmp_path):
    receiver = Receiver(language, tmp_path, OTHER_PRODUCT)
    digest = hmac.digest(SECRET.encode(), BODY, "sha256")
    form = OTHER_PRODUCT.signature_format
    right = f"{form.prefix}{b64encode(digest).decode()}{form.suffix}"
    wrong = [f"{form.prefix}{digest.hex()}{form.suffix}", right.removesuffix("d"), right[1:]]
    cases = [(BODY, one) for one in (right, *wrong, sign(BODY))]
    assert receiver.verifies(cases, **{VARIABLE: SECRET}) == [True, False, False, False, False]


def vectors():
    """Return the SDKs' vectors that a snippet can judge: one secret, and our signature alone.

    Each is (name, secret, body, signature, whether it is right).
    """
    for one in json.loads(VECTORS.read_text("utf-8"))["vectors"]:
        names = [name.lower() for name, _ in one["headers"]]
        expect = one["expect"]
        if names == ["x-winnerr-signature"] and len(one["secrets"]) == 1 and not one["options"]:
            right = expect["ok"] or expect.get("error") == "invalid_payload"
            # SDKs read hexadecimal digits in either case; the snippets compare text.
            right = right and one["name"] != "upper_case_hex"
            body, signature = b64decode(one["body"]), one["headers"][0][1]
            yield one["name"], one["secrets"][0], body, signature.strip(), right


def test_the_vectors_of_the_sdks_are_judged_right(receiver):
    """`sdk/run_tests.py` reads what this prints."""
    judged = 0
    for secret in {secret for _, secret, *_ in vectors()}:
        mine = [one for one in vectors() if one[1] == secret]
        cases = [(body, signature) for _, _, body, signature, _ in mine]
        verified = receiver.verifies(cases, **{VARIABLE: secret})
        for (name, *_, right), accepted in zip(mine, verified, strict=True):
            assert accepted is right, name
            print(f"page, {receiver.language}: vector {name} passed")
            judged += 1
    assert judged > 20


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}], ids=["unset", "empty"])
def test_without_a_secret_nothing_is_accepted(receiver, environment):
    """Anyone could make a signature with an empty key."""
    cases = [(BODY, sign(BODY, "")), (BODY, sign(BODY)), (BODY, None)]
    assert receiver.verifies(cases, **environment) == [False, False, False]


@pytest.mark.parametrize(
    ("language", "comparison"),
    [
        ("node", "timingSafeEqual(given, expected)"),
        ("python", "hmac.compare_digest("),
        ("go", "hmac.Equal("),
        ("php", "hash_equals($expected, $signature)"),
        ("ruby", "OpenSSL.secure_compare("),
        ("java", "MessageDigest.isEqual("),
    ],
)
def test_snippets_compare_in_constant_time(language, comparison):
    *_, last = [line for line in codes()[language].splitlines() if "expected" in line]
    assert comparison in last


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_snippet_names_the_path_the_header_and_the_variable_of_the_secret(language):
    code = codes()[language]
    *_, call = code.splitlines()
    header = "HTTP_X_WINNERR_SIGNATURE" if language in {"php", "ruby"} else "X-Winnerr-Signature"
    assert re.match(r"(//|#) POST /hooks/winnerr in .*verify\(", call)
    assert header in call
    assert "header X-Winnerr-Signature" in code
    assert code.count(VARIABLE) == 1
    assert "in-the-query" not in code


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("", "/"),
        ("/a;b=1/%C3%A9/@c:d", "/a;b=1/%C3%A9/@c:d"),
        ("/\\u000aint evil;", "/*u000aint*evil;"),
        ("/\u2028evil()", "/*evil()"),
        ('/"<b>', "/**b*"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_path_can_end_its_comment(language, path, shown):
    plain = codes("https://example.com/plain")[language]
    assert codes("https://example.com" + path)[language] == plain.replace("/plain", shown)


async def test_the_page_escapes_every_snippet_and_never_shows_the_secret(site, admin):
    url = "http://127.0.0.1:9/crm<b>'\"&amp;/in"
    webhook = await site.webhook(url=url, secret="a secret of mine")
    page = await admin.get(f"/{webhook.id}/signing")
    blocks = re.findall(r'<pre id="code-(\w+)"[^>]*><code>(.*?)</code></pre>', page.html, re.DOTALL)
    assert {slug: unescape(block) for slug, block in blocks} == codes(url)
    assert not [block for _, block in blocks if re.search(r"[<>\"']|&(?!\w+;|#\d+;)", block)]
    assert "/crm*b*'*&amp;/in" in page.text
    assert "a secret of mine" not in page.html

"""The values of each setting, and the one line that says what is wrong with one."""

import ipaddress

import pytest
from tests.one_setting import error, one

from winnerr_webhooks.config import (
    PREFIX,
    load,
)
from winnerr_webhooks.domain.branding import SignatureFormat
from winnerr_webhooks.domain.mail_server import Mailbox, MailServer
from winnerr_webhooks.domain.proxy import Proxy


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BRAND", "株式会社", "HEADER_PREFIX: no header name can be made of BRAND='株式会社'"),
        ("SIGNATURE_HEADER", "Host", "SIGNATURE_HEADER: Host is a header of HTTP"),
        ("SIGNATURE_HEADER", "x-winnerr-attempt", "two headers of a request would be x-winnerr"),
    ],
)
def test_names_of_headers_that_do_not_go_together_are_refused(name, value, says):
    assert says in error(name, value)


def test_the_names_of_headers_follow_from_the_brand():
    found = load({PREFIX + "BRAND": "Globex CRM", PREFIX + "SIGNATURE_HEADER": "X-Sign"}, {})
    assert (found.header_prefix, found.signature_header) == ("X-Globex-CRM-", "X-Sign")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("DATABASE_URL", "sqlite:////var/lib/w.db", "sqlite:////var/lib/w.db"),
        ("DATABASE_URL", "postgresql://u:p@db.example/w", "postgresql://u:p@db.example/w"),
        ("DATABASE_URL", "postgres://h", "postgres://h"),
        ("DATABASE_URL", "postgresql://h1,h2:5433,[::1]:5434/w", None),
        ("DATABASE_URL", "postgresql:///w?host=/run/postgresql", None),
        ("DATABASE_URL", "postgresql://u:p%40%2F%3A@h/w?sslmode=require", None),
        ("DATABASE_URL", "postgresql://h/w?target_session_attrs=read-write&a=b", None),
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("HOST", "[::1]", "::1"),
        ("HOST", "localhost", "localhost"),
        ("PORT", "0", 0),
        ("PORT", " 9000 ", 9000),
        ("PUBLIC_URL", "https://hooks.example.com/", "https://hooks.example.com"),
        ("SIGN_IN_URL", "", ""),
        ("SIGN_IN_URL", "https://crm.example.com/login?next=x", None),
        ("FRAME_ANCESTORS", "", ()),
        ("FRAME_ANCESTORS", "https://a.example, https://*.b.example:8443", None),
        ("RETRY_SCHEDULE", "", ()),
        ("RETRY_SCHEDULE", "0.5, 2,60", (0.5, 2.0, 60.0)),
        ("DELIVERY_TIMEOUT", "300", 300.0),
        ("DELIVERY_TIMEOUT", "2.5", 2.5),
        ("SUCCESS_STATUSES", "200", "200"),
        ("WEBHOOK_CONCURRENCY", "1", 1),
        ("DISABLE_AFTER_DAYS", "0", 0.0),
        ("MAX_WEBHOOKS", "2000", 2000),
        ("ALLOW_HTTP", "TRUE", True),
        ("ALLOW_HTTP", "0", False),
        (
            "ALLOW_NETWORKS",
            "127.0.0.0/8, ::1",
            (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
        ),
        ("DENY_NETWORKS", "", ()),
        ("EGRESS_PROXY", "", None),
        ("EGRESS_PROXY", "http://proxy", Proxy("proxy", 3128)),
        ("EGRESS_PROXY", "http://u:p%40ss:x@[::1]:80/", Proxy("::1", 80, "u:p@ss:x")),
        ("OPERATIONAL_SECRET", "a secret of ops", "a secret of ops"),
        ("SMTP_URL", "", None),
        ("SMTP_URL", "smtp://localhost:25", MailServer("localhost", 25)),
        (
            "SMTP_URL",
            "smtp://u:p%40ss%2Fw@mail.example.com",
            MailServer("mail.example.com", 587, "starttls", "u", "p@ss/w"),
        ),
        (
            "SMTP_URL",
            "smtps://u%40example.com:p:x@[::1]",
            MailServer("::1", 465, "tls", "u@example.com", "p:x"),
        ),
        ("SMTP_URL", "smtp+starttls://mail", MailServer("mail", 587, "starttls")),
        ("MAIL_FROM", "hooks@example.com", Mailbox("", "hooks@example.com")),
        ("MAIL_FROM", '"Acme, Inc." <a.b@example.com>', Mailbox("Acme, Inc.", "a.b@example.com")),
        ("EGRESS_ADDRESSES", "203.0.113.0/28", (ipaddress.ip_network("203.0.113.0/28"),)),
        ("NAT64_PREFIXES", "2001:db8:64::/96", (ipaddress.IPv6Network("2001:db8:64::/96"),)),
        ("LOG_RETENTION_DAYS", "1", 1),
        ("BRAND", "Globex CRM", "Globex CRM"),
        ("THEME_ACCENT", "#0F766E, #2dd4bf", ("#0f766e", "#2dd4bf")),
        ("THEME_FONT", '"Globex Sans",Arial , sans-serif', '"Globex Sans", Arial, sans-serif'),
        ("THEME_COLOR_SCHEME", "dark", "dark"),
        ("DEFAULT_LANGUAGE", "pt-BR", "pt-BR"),
        ("HEADER_PREFIX", "Acme-", "Acme-"),
        ("HEADER_PREFIX", "", "X-Winnerr-"),
        ("SIGNATURE_HEADER", "X-Hub-Signature-256", "X-Hub-Signature-256"),
        ("SIGNATURE_FORMAT", "v1={base64};", SignatureFormat("v1=", "base64", ";")),
        ("ROLE", "api", "api"),
        ("ROLE", "deliver", "deliver"),
        ("PROCESSES", "64", 64),
    ],
)
def test_a_valid_value_is_parsed(name, text, value):
    expected = (
        {
            "SIGN_IN_URL": text,
            "DATABASE_URL": text,
            "FRAME_ANCESTORS": ("https://a.example", "https://*.b.example:8443"),
        }.get(name)
        if value is None
        else value
    )
    assert getattr(one(name, text), name.lower()) == expected


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "sqlite://", "expected sqlite:///relative/file"),
        ("DATABASE_URL", "sqlite:///", "expected a file after sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:", "expected a file after sqlite:///"),
        ("DATABASE_URL", "sqlite:///a.db?mode=rw", "without options"),
        ("DATABASE_URL", "mysql://h/d", "expected sqlite:///relative/file"),
        ("DATABASE_URL", "postgresql://", "expected postgresql://user:password@host:port/name"),
        ("DATABASE_URL", "postgresql://h1,,h2/w", "several hosts separated by commas"),
        ("DATABASE_URL", "postgresql://h:0/w", "several hosts separated by commas"),
        ("DATABASE_URL", "postgresql://h:65536/w", "several hosts separated by commas"),
        ("DATABASE_URL", "postgresql://[::1/w", "are not valid"),
        ("DATABASE_URL", "postgresql://h/w?sslmode", "are not valid"),
        ("DATABASE_URL", "postgresql://h/w/x", "one database name"),
        ("DATABASE_URL", "postgresql://h/w x", "one database name"),
        ("HOST", "", "expected an address or a host name"),
        ("HOST", "http://localhost", "without scheme and port"),
        ("HOST", "localhost:8400", "without scheme and port"),
        ("PORT", "", "whole number from 0 to 65535"),
        ("PORT", "65536", "whole number from 0 to 65535"),
        ("PORT", "-1", "whole number from 0 to 65535"),
        ("PORT", "٣", "whole number from 0 to 65535"),
        ("PORT", "1e3", "whole number from 0 to 65535"),
        ("PORT", "tcp://10.0.0.7:8400", "Kubernetes sets this variable"),
        ("PUBLIC_URL", "hooks.example.com", "expected a URL such as https://"),
        ("PUBLIC_URL", "https://u:p@hooks.example.com", "expected a URL such as https://"),
        ("PUBLIC_URL", "https://hooks.example.com/?a=b", "expected a URL such as https://"),
        ("PUBLIC_URL", "https://hooks.example.com:99999", "expected a URL such as https://"),
        ("PUBLIC_URL", "https://hooks exam.ple", "expected a URL such as https://"),
        ("PUBLIC_URL", "https://crm.example.com/hooks", "expected a URL without a path"),
        ("SIGN_IN_URL", "javascript:alert(1)", "expected a URL such as https://"),
        ("FRAME_ANCESTORS", "https://a.example/page", "expected origins such as"),
        ("FRAME_ANCESTORS", "https://a.example:99999", "expected origins such as"),
        ("THEME_FONT", "Source Sans 3, sans-serif", "needs quotes"),
        ("THEME_FONT", "Inherit", "expected font families"),
        ("FRAME_ANCESTORS", "https://a.example; script-src *", "expected origins such as"),
        ("THEME_ACCENT", "teal", "expected a colour such as #0f766e"),
        ("THEME_ACCENT", "#fff", "expected a colour such as #0f766e"),
        ("THEME_ACCENT", "#000000,#ffffff,#ffffff", "expected a colour such as #0f766e"),
        ("THEME_FONT", "Arial; } body { display: none", "expected font families"),
        ("THEME_FONT", '"Arial', "expected font families"),
        ("THEME_FONT", "url(https://evil.example)", "expected font families"),
        ("THEME_COLOR_SCHEME", "sepia", "expected auto, light or dark"),
        ("DEFAULT_LANGUAGE", "nl", "expected en, de, es, fr or pt-BR"),
        ("THEME_HEADER", "none", "expected show or hide"),
        ("BRAND", "", "a name of 1 to 64 printable characters"),
        ("BRAND", "Globex\r\nX-Injected: 1", "a name of 1 to 64 printable characters"),
        ("HEADER_PREFIX", "X Acme-", "characters that header names have"),
        ("HEADER_PREFIX", "X-Acme:", "characters that header names have"),
        ("HEADER_PREFIX", "X-Ümlaut-", "characters that header names have"),
        ("SIGNATURE_FORMAT", "sha256=", "{hex} or {base64} exactly once"),
        ("SIGNATURE_FORMAT", "a\nb={hex}", "printable ASCII characters around"),
        ("RETRY_SCHEDULE", "60,0", "each above 0"),
        ("RETRY_SCHEDULE", "60,-5", "each above 0"),
        ("RETRY_SCHEDULE", "60,,5", "each above 0"),
        ("RETRY_SCHEDULE", "nan", "each above 0"),
        ("RETRY_SCHEDULE", "inf", "each above 0"),
        ("RETRY_SCHEDULE", "9999999", "at most 2592000"),
        ("RETRY_SCHEDULE", ",".join(["1"] * 31), "up to 30"),
        ("DELIVERY_TIMEOUT", "0", "from 0.1 to 300"),
        ("DELIVERY_TIMEOUT", "301", "from 0.1 to 300"),
        ("DELIVERY_TIMEOUT", "nan", "from 0.1 to 300"),
        ("DELIVERY_TIMEOUT", "10s", "from 0.1 to 300"),
        ("SUCCESS_STATUSES", "2xx,301", "expected 2xx or 200"),
        ("WEBHOOK_CONCURRENCY", "0", "from 1 to 1000"),
        ("DISABLE_AFTER_DAYS", "-1", "from 0 to 3650"),
        ("MAX_WEBHOOKS", "0", "from 1 to"),
        ("ALLOW_HTTP", "", "expected true or false"),
        ("ALLOW_HTTP", "ja", "expected true or false"),
        ("ALLOW_NETWORKS", "10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("DENY_NETWORKS", "10.0.0.0/33", "expected comma-separated networks"),
        ("DENY_NETWORKS", "10.0.0.0/8,", "expected comma-separated networks"),
        ("EGRESS_PROXY", "https://proxy:3128", "expected a URL such as http://proxy:3128"),
        ("EGRESS_PROXY", "http://proxy:99999", "expected a URL such as http://proxy:3128"),
        ("EGRESS_PROXY", "http://u:x@proxy/path", "expected a URL such as http://proxy:3128"),
        ("EGRESS_PROXY", "http://a%3Ab:c@proxy", "cannot contain a colon"),
        ("EGRESS_PROXY", "squid:8080", "expected a URL such as http://proxy:3128"),
        ("OPERATIONAL_SECRET", "hunter2", "8 to 256 characters"),
        ("OPERATIONAL_SECRET", "whsec_hunter2", "base64"),
        ("SMTP_URL", "http://u:hunter2@mail", "expected a URL such as smtps://"),
        ("SMTP_URL", "smtps://u:hunter2@mail:0", "expected a URL such as smtps://"),
        ("SMTP_URL", "smtps://u:hunter2@mail:99999", "expected a URL such as smtps://"),
        ("SMTP_URL", "smtps://u:hunter2/x@mail", "expected a URL such as smtps://"),
        ("SMTP_URL", "smtps://hunter2@mail", "expected a URL such as smtps://"),
        ("SMTP_URL", "smtps://u:hunter2@mail/inbox", "expected a URL such as smtps://"),
        ("SMTP_URL", "smtps://u:hunter2%0d%0aRSET@mail", "of printable characters"),
        ("MAIL_FROM", "hooks", "expected an address such as"),
        ("MAIL_FROM", "a@example.com\r\nBcc: b@example.com", "expected an address such as"),
        ("MAIL_FROM", "Acme <a@example.com> <b@example.com>", "expected an address such as"),
        ("EGRESS_ADDRESSES", "203.0.113.1/28", "did you mean 203.0.113.0/28?"),
        ("NAT64_PREFIXES", "2001:db8::/95", "RFC 6052"),
        ("NAT64_PREFIXES", "10.0.0.0/32", "RFC 6052"),
        ("LOG_RETENTION_DAYS", "1.5", "whole number from 1 to"),
        ("ROLE", "API", "expected all, api or deliver"),
        ("ROLE", "", "expected all, api or deliver"),
        ("PROCESSES", "0", "whole number from 1 to 64"),
        ("PROCESSES", "65", "whole number from 1 to 64"),
    ],
)
def test_a_wrong_value_is_one_line_naming_the_variable_the_value_and_what_is_expected(
    name, value, says
):
    line = error(name, value)
    assert line.startswith(PREFIX + name)
    assert says in line
    assert "\n" not in line
    if name in ("EGRESS_PROXY", "SMTP_URL", "OPERATIONAL_SECRET"):
        assert value not in line, "it can hold a password"
    elif name != "DATABASE_URL" or value.startswith("sqlite:"):
        assert repr(value) in line or len(value) > 60


def test_a_strange_value_cannot_break_the_error_line_or_make_it_long():
    line = error("PORT", "1\n2" + "3" * 5000)
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize(
    "value",
    [
        "postgres:/u:hunter2@db/w",
        "u:hunter2@db",
        "host=db password=hunter2",
        "//hunter2@",
        "postgresql://u:hunter2@here@db/w",
        "postgresql://u:1/hunter2@db/w",
        "postgresql://u:1?hunter2@db/w",
        "postgresql://u:1#hunter2@db/w",
        "postgresql://u:1[hunter2@db/w",
        "postgresql://db/w?password=hunter2&hunter2",
        "postgresql://u:hunter2 @db/w",
    ],
)
def test_a_wrong_database_url_never_shows_its_password(value):
    assert "hunter2" not in error("DATABASE_URL", value)

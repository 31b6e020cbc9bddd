"""Which destination URLs are accepted, how they are parsed, and why others are refused."""

# ruff: noqa: E501, RUF001  a table reads best with a case on a line; look-alikes are its subject

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.url import Destination, parse_url


def refusal(url: str, *, allow_http: bool = False) -> str:
    with pytest.raises(Invalid) as caught:
        parse_url(url, allow_http=allow_http)
    (error,) = caught.value.errors
    assert error.pointer == "/url"
    return error.message


def test_a_url_is_parsed():
    assert parse_url("HTTPS://Hooks.Example.COM:8443/in/x?a=1&b=%20", allow_http=False) == (
        Destination(
            scheme="https",
            host="hooks.example.com",
            port=8443,
            target="/in/x?a=1&b=%20",
            authority="hooks.example.com:8443",
            address=None,
        )
    )


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("https://a.test", "a.test", 443, "/", "a.test"),
        ("https://a.test:443/", "a.test", 443, "/", "a.test"),
        ("https://a.test:80/", "a.test", 80, "/", "a.test:80"),
        ("http://a.test", "a.test", 80, "/", "a.test"),
        ("http://a.test:80/", "a.test", 80, "/", "a.test"),
        ("http://a.test:443/", "a.test", 443, "/", "a.test:443"),
        ("https://a.test?x", "a.test", 443, "/?x", "a.test"),
        ("https://a.test./x", "a.test", 443, "/x", "a.test"),
        ("https://localhost:9000/", "localhost", 9000, "/", "localhost:9000"),
        ("https://my_app.a.test/", "my_app.a.test", 443, "/", "my_app.a.test"),
        ("https://a.test/../x//y/.", "a.test", 443, "/../x//y/.", "a.test"),
        ("https://a.test/ü?q=日本", "a.test", 443, "/%C3%BC?q=%E6%97%A5%E6%9C%AC", "a.test"),
        ('https://a.test/{id}"<x>|^`', "a.test", 443, "/%7Bid%7D%22%3Cx%3E%7C%5E%60", "a.test"),
        ("https://a.test/%zz%41", "a.test", 443, "/%zz%41", "a.test"),
        ("https://a.test/x@y:z", "a.test", 443, "/x@y:z", "a.test"),
        ("https://a.test?u=https://b.test/", "a.test", 443, "/?u=https://b.test/", "a.test"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://i❤.ws/", "xn--i-7iq.ws", 443, "/", "xn--i-7iq.ws"),
        ("https://xn--i-7iq.ws/", "xn--i-7iq.ws", 443, "/", "xn--i-7iq.ws"),
        ("https://❤️.ws/", "xn--qei.ws", 443, "/", "xn--qei.ws"),
        ("https://☕.example/ü", "xn--53h.example", 443, "/%C3%BC", "xn--53h.example"),
        ("https://faß.example/", "xn--fa-hia.example", 443, "/", "xn--fa-hia.example"),
        ("https://Ａ。test/", "a.test", 443, "/", "a.test"),
        ("https://1.2.3.4.example/", "1.2.3.4.example", 443, "/", "1.2.3.4.example"),
        ("https://0x7f.1.example/", "0x7f.1.example", 443, "/", "0x7f.1.example"),
        ("https://123abc/", "123abc", 443, "/", "123abc"),
    ],
)  # fmt: skip
def test_the_parts_of_a_url_fit_a_request(url, host, port, target, authority):
    destination = parse_url(url, allow_http=True)
    assert (destination.host, destination.port) == (host, port)
    assert (destination.target, destination.authority) == (target, authority)
    assert destination.address is None


@pytest.mark.parametrize(
    ("url", "host", "authority"),
    [
        ("https://203.0.113.7/", "203.0.113.7", "203.0.113.7"),
        ("https://127.0.0.1:8443/", "127.0.0.1", "127.0.0.1:8443"),
        ("https://[2606:4700:0:0::1111]/", "2606:4700::1111", "[2606:4700::1111]"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", "[2606:4700::1111]:8443"),
        ("https://[::FFFF:127.0.0.1]/", "::ffff:7f00:1", "[::ffff:7f00:1]"),
        ("https://[::ffff:0.0.0.1]/", "::ffff:0:1", "[::ffff:0:1]"),
    ],
)
def test_a_literal_address_is_parsed_even_if_the_policy_will_refuse_it(url, host, authority):
    destination = parse_url(url, allow_http=False)
    assert destination.address == ip_address(host)
    assert destination.authority == authority
    assert ip_address(destination.host) == ip_address(host)


@pytest.mark.parametrize(
    "host",
    [
        "0",
        "1",
        "127",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "127.00.0.1",
        "127.0.0.1.",
        "127.0.0.1..",
        "2130706433",
        "2130706433.",
        "017700000001",
        "0177.0.0.1",
        "0177.0.0.0x1",
        "0x7f.1",
        "0x7F.1",
        "0X7f.0.0.1",
        "0x7f000001",
        "0X7F000001",
        "0x7f.0x0.0x0.0x1",
        "0x",
        "0x.0x.0x.0x",
        "0x0000000000000000007f000001",
        "127.0.0.0x1",
        "a.test.0x1",
        "a.test.1",
        "1.2.3.4.5",
        "1.2.3",
        "256.1.1.1",
        "127.0.0.256",
        "4294967297",
        "00000000000000000000127.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "127．0．0．1",
        "127｡0｡0｡1",
        "①②⑦.⓪.⓪.①",
        "𝟭𝟮𝟳.𝟬.𝟬.𝟭",
        "¹²⁷.⁰.⁰.¹",
        "₁₂₇.₀.₀.₁",
        "１２７.1",
        "２１３０７０６４３３",
        "０x７f.１",
        "0ｘ7f.1",
        "١٢٧.٠.٠.١",
        "१२७.०.०.१",
        "一二七",
        "%31%32%37.0.0.1",
        "127.0.0.%31",
        "%6cocalhost",
        "169.254.169.254%2f",
        "ⅳ.1",
    ],
)
def test_a_number_in_any_other_notation_than_dotted_decimal_is_refused(host):
    refusal(f"https://{host}/")
    refusal(f"https://{host}:8443/x")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "Enter"),
        ("hooks.example.com", "whole URL"),
        ("/hook", "whole URL"),
        ("//a.test/", "whole URL"),
        ("https:/a.test/", "whole URL"),
        ("https:a.test", "whole URL"),
        ("https;//a.test", "whole URL"),
        ("http://a.test/", "https://"),
        ("ftp://a.test/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("javascript://a.test/", "https://"),
        ("gopher://127.0.0.1:6379/_x", "https://"),
        ("https+unix://a.test/", "https://"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://:443/", "host"),
        ("https://?x", "host"),
        ("https://user@a.test/", "user name"),
        ("https://user:pass@a.test/", "user name"),
        ("https://@a.test/", "user name"),
        ("https://a.test:443@b.test/", "user name"),
        ("https://a.test/#top", "#"),
        ("https://a.test/#", "#"),
        ("https://a.test#@b.test/", "#"),
        ("https://a.test:/", "port"),
        ("https://a.test:0/", "port"),
        ("https://a.test:65536/", "port"),
        ("https://a.test:0443/", "port"),
        ("https://a.test:+443/", "port"),
        ("https://a.test:-1/", "port"),
        ("https://a.test:４４３/", "port"),
        ("https://a.test:443:443/", "port"),
        ("https://a.test:https/", "port"),
        ("https://a.test:99999999999/", "port"),
        ("https://[::1/", "brackets"),
        ("https://[::1]x/", "brackets"),
        ("https://[]/", "IPv6"),
        ("https://[127.0.0.1]/", "IPv6"),
        ("https://[a.test]/", "IPv6"),
        ("https://[::1::]/", "IPv6"),
        ("https://[12345::]/", "IPv6"),
        ("https://[v1.x]/", "IPv6"),
        ("https://[::١]/", "IPv6"),
        ("https://[::ffff:127.1]/", "IPv6"),
        ("https://[fe80::1%eth0]/", "zone"),
        ("https://[fe80::1%25eth0]/", "zone"),
        ("https://::1/", "host"),
        ("https://a..test/", "name"),
        ("https://.a.test/", "name"),
        ("https://a.test../", "name"),
        ("https://./", "name"),
        ("https://-a.test/", "name"),
        ("https://a-.test/", "name"),
        ("https://a_.test!/", "name"),
        ("https://*.test/", "name"),
        ("https://a,b.test/", "name"),
        ("https://a'b.test/", "name"),
        ("https://{a}.test/", "name"),
        (f"https://{'a' * 64}.test/", "name"),
        (f"https://{'a.' * 127}test/", "name"),
        ("https://xn--a.test/", "xn--"),
        ("https://xn--0.test/", "xn--"),
        ("https://xn--127-.test/", "name"),
        ("https://ab\u00adc.test/", "U+00AD (SOFT HYPHEN)"),
        ("https://\u200d.test/", "international"),
        ("https://a\u202eb.test/", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("https://a.test/\u2066x", "U+2066 (LEFT-TO-RIGHT ISOLATE)"),
        ("https://a.test/a\u200db", "U+200D (ZERO WIDTH JOINER)"),
        ("https://a.test/?q=\ufeff", "U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
        ("https://a.test/\u3164", "U+3164 (HANGUL FILLER)"),
        ("https://a.test/\U000e0041", "U+E0041 (TAG LATIN CAPITAL LETTER A)"),
        ("https://a.test/\ue000", "U+E000 (unnamed)"),
        ("https://a\u2571b.test/", "international"),
        ("https://a\u2236b.test/", "international"),
        ("https://xn--ab-c6t.test/", "xn--"),
        ("https://a⁄b.test/", "international"),
        ("https://☃.-/", "name"),
        (" https://a.test/", "spaces"),
        ("https://a.test/ ", "spaces"),
        ("https://a.test/a b", "spaces"),
        ("https://a.test/\n", "spaces"),
        ("https://a.test\r\nHost: b.test/", "spaces"),
        ("ht\ttps://a.test/", "spaces"),
        ("https://a.test/\0", "spaces"),
        ("https://a.test/\x7f", "spaces"),
        ("https://a.test/\x85", "spaces"),
        ("https://a.test/\u00a0", "spaces"),
        ("https://a.test/\u2028", "spaces"),
        ("https://a.test\\@b.test/", "\\"),
        ("https:\\\\a.test\\", "\\"),
        ("https://a.test/\ud800", "surrogate"),
        ("https://\udfff.test/", "surrogate"),
        ("https://a.test/" + "x" * 2034, "2,048"),
    ],
)
def test_a_wrong_url_is_refused_with_what_to_do(url, word):
    assert word in refusal(url)


def test_a_url_of_2048_characters_is_accepted():
    assert len(parse_url("https://a.test/" + "x" * 2033, allow_http=False).target) == 2034


def test_plain_http_is_accepted_only_if_it_is_allowed():
    assert "https://" in refusal("http://a.test/")
    assert parse_url("http://a.test/", allow_http=True).scheme == "http"


@given(st.text(max_size=60) | st.from_regex(r"\Ahttps?://.{0,40}\Z"))
def test_any_text_gives_a_usable_destination_or_a_message(url):
    try:
        destination = parse_url(url, allow_http=True)
    except Invalid:
        return
    for sent in (destination.host, destination.authority, destination.target):
        assert sent.isascii()
        assert sent.isprintable()
        assert " " not in sent
    assert destination.target.startswith("/")
    assert 1 <= destination.port <= 65535
    again = f"{destination.scheme}://{destination.authority}{destination.target}"
    assert parse_url(again, allow_http=True) == destination

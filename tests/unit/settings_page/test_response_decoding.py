"""Bodies of answers without their compression and in their charset."""

import gzip
import zlib

import pytest

from winnerr_webhooks.settings_page.response_decoding import MAX_DECODED, decode_body

TEXT = '{"status": "überlastet", "note": "日本"}'
JSON = ("Content-Type", "application/json")


def encoded(value):
    return [JSON, ("Content-Encoding", value)]


def packed(data):
    """The same bytes in each process of a test run: without the time in them."""
    return gzip.compress(data, mtime=0)


def raw_deflate(data):
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", packed(TEXT.encode())),
        ("X-GZIP", packed(TEXT.encode())),
        ("deflate", zlib.compress(TEXT.encode())),
        ("deflate", raw_deflate(TEXT.encode())),
        ("deflate, gzip", packed(zlib.compress(TEXT.encode()))),
        ("gzip", packed(TEXT.encode()[:9]) + packed(TEXT.encode()[9:])),
        ("identity", TEXT.encode()),
        ("", TEXT.encode()),
    ],
)
def test_a_compressed_body_is_shown_as_its_text(encoding, raw):
    body = decode_body(raw, encoded(encoding))
    assert body.text == TEXT
    assert body.problem is None
    assert not body.is_cut


def test_the_compressions_are_named_as_they_were_undone():
    raw = gzip.compress(zlib.compress(b"x"))
    assert decode_body(raw, encoded("deflate, gzip")).encodings == ("gzip", "deflate")
    assert decode_body(b"x", [JSON]).encodings == ()


def test_a_small_body_that_would_become_huge_is_cut():
    raw = gzip.compress(b"a" * (64 << 20))
    body = decode_body(raw, encoded("gzip"))
    assert body.is_cut
    assert len(body.data) == len(body.text) == MAX_DECODED
    twice = decode_body(gzip.compress(raw), encoded("gzip, gzip"))
    assert twice.is_cut
    assert len(twice.data) <= MAX_DECODED


def test_what_is_left_of_a_body_that_was_not_stored_whole_is_shown():
    raw = gzip.compress(bytes(range(256)) * 40 + TEXT.encode(), compresslevel=0)[:6_000]
    assert len(decode_body(raw, encoded("gzip"), truncated=True).data) > 4_000
    assert decode_body(raw, encoded("gzip"), truncated=True).problem is None
    assert "ends too early" in decode_body(raw, encoded("gzip")).problem


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip, gzip, gzip, gzip", "x" * 500])
def test_a_compression_that_is_not_known_is_named(encoding):
    raw = b"plain"
    for _time in range(encoding.count("gzip")):
        raw = gzip.compress(raw)
    body = decode_body(raw, encoded(encoding))
    assert "which is not undone here" in body.problem
    assert len(body.problem) < 120


def test_headers_that_claim_a_compression_that_is_not_there_are_named():
    body = decode_body(TEXT.encode(), encoded("gzip"))
    assert body.text == TEXT
    assert body.problem == "The headers say gzip, and the body is not."
    assert decode_body(b"", encoded("gzip")).problem is None


@pytest.mark.parametrize(
    ("content_type", "raw", "text", "charset"),
    [
        ("text/plain; charset=iso-8859-1", "für €".encode("cp1252"), "für €", "iso-8859-1"),
        ('text/plain; Charset="Shift_JIS"', "日本".encode("shift_jis"), "日本", "shift_jis"),
        ("text/plain;charset=koi8-r", "привет".encode("koi8-r"), "привет", "koi8-r"),
        ("text/plain", b"\xff\xfeA\x00", "A", "utf-16"),
        ("text/plain; charset=latin1", b"\xef\xbb\xbf\xc3\xbc", "ü", "utf-8"),
        ("text/html", b'<meta charset="windows-1251">\xcf', None, "windows-1251"),
        ("text/plain", b"charset=windows-1251 \xc3\xbc", "charset=windows-1251 ü", "utf-8"),
        ("text/plain; charset=base64", b"aGk=", "aGk=", "utf-8"),
        ("text/plain; charset=unicode_escape", b"\\x41", "\\x41", "utf-8"),
        ("text/plain", b"\xff", "\ufffd", "utf-8"),
        ("text/plain; charset=" + "x" * 500, b"a", "a", "utf-8"),
    ],
)
def test_the_text_is_in_the_charset_of_its_mark_its_header_or_its_page(
    content_type, raw, text, charset
):
    body = decode_body(raw, [("content-type", content_type)])
    assert body.charset == charset
    assert body.text == (text or raw.decode("windows-1251"))


def test_a_character_that_was_cut_in_the_middle_is_left_out():
    assert decode_body("aü".encode()[:-1], [JSON], truncated=True).text == "a"
    assert decode_body("aü".encode()[:-1], [JSON]).text == "a\ufffd"


def test_every_charset_that_is_known_has_a_codec():
    from winnerr_webhooks.settings_page.response_decoding import _CODECS

    for label in _CODECS:
        assert decode_body(b"a\x00", [("content-type", f"a/b; charset={label}")]).charset == label

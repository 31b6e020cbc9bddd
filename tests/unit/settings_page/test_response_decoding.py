"""Bodies of answers without their compression and in their charset."""

import gzip
import random
import sys
import zlib

import brotli
import pytest

from winnerr_webhooks.settings_page import content_encodings
from winnerr_webhooks.settings_page.response_decoding import MAX_DECODED, decode_body

TEXT = '{"status": "überlastet", "note": "日本"}'
JSON = ("Content-Type", "application/json")


if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def encoded(value):
    return [JSON, ("Content-Encoding", value)]


def packed(data):
    """The same bytes in each process of a test run: without the time in them."""
    return gzip.compress(data, mtime=0)


def brotlied(data):
    """Compressed little: the most takes seconds for what the tests of limits compress."""
    return brotli.compress(data, quality=1)


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
        ("br", brotlied(TEXT.encode())),
        ("zstd", zstd.compress(TEXT.encode())),
        ("zstd", zstd.compress(TEXT.encode()[:9]) + zstd.compress(TEXT.encode()[9:])),
        ("zstd, BR", brotlied(zstd.compress(TEXT.encode()))),
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


COMPRESS = {"gzip": packed, "br": brotlied, "zstd": zstd.compress}


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_small_body_that_would_become_huge_is_cut(encoding):
    raw = COMPRESS[encoding](b"a" * (64 << 20))
    body = decode_body(raw, encoded(encoding))
    assert body.is_cut
    assert len(body.data) == len(body.text) == MAX_DECODED
    twice = decode_body(COMPRESS[encoding](raw), encoded(f"{encoding}, {encoding}"))
    assert twice.is_cut
    assert len(twice.data) <= MAX_DECODED
    assert twice.problem is None


EMPTY = {
    "gzip": packed(b""),
    "deflate": zlib.compress(b""),
    "zstd": zstd.compress(b""),
    "skippable": b"\x50\x2a\x4d\x18" + bytes(4),
}
"""A stream without content, of each kind of which a body may have several."""


@pytest.mark.parametrize("kind", EMPTY)
def test_a_body_of_very_many_empty_streams_is_undone_up_to_32_of_them(kind, monkeypatch):
    encoding = "zstd" if kind == "skippable" else kind
    starts = []

    def counted(start):
        return lambda: starts.append(kind) or start()

    streams = [counted(start) for start in content_encodings._STREAMS[encoding]]
    monkeypatch.setitem(content_encodings._STREAMS, encoding, tuple(streams))
    raw = packed(packed(EMPTY[kind] * 10_000))
    body = decode_body(raw, encoded(f"{encoding}, gzip, gzip"))
    own = 2 if encoding == "gzip" else 0
    assert (body.data, body.is_cut, body.problem) == (b"", True, None)
    assert body.encodings == ("gzip", "gzip", encoding)
    assert len(starts) == 32 + own


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_of_32_streams_is_whole_and_of_more_is_cut(encoding):
    for count in (32, 33):
        body = decode_body(COMPRESS[encoding](b"a") * count, encoded(encoding))
        assert (body.text, body.is_cut, body.problem) == ("a" * 32, count > 32, None)


@pytest.mark.parametrize(
    ("encoding", "module"),
    [("br", "brotli"), ("zstd", zstd.__name__)],
)
def test_without_the_module_of_a_compression_the_others_are_undone(encoding, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, content_encodings.__name__)
    raw = COMPRESS[encoding](TEXT.encode())
    body = decode_body(raw, encoded(encoding))
    assert body.data == raw
    assert body.problem == f"The body is compressed with {encoding}, which is not undone here."
    for other in COMPRESS.keys() - {encoding}:
        assert decode_body(COMPRESS[other](TEXT.encode()), encoded(other)).text == TEXT


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_of_exactly_the_limit_is_whole(encoding):
    body = decode_body(COMPRESS[encoding](b"a" * MAX_DECODED), encoded(encoding))
    assert (len(body.data), body.is_cut, body.problem) == (MAX_DECODED, False, None)


def test_a_zstd_body_that_asks_for_more_memory_than_http_allows_is_not_undone():
    stream = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
    # Its size is not known at the beginning, so a reader has to keep the whole window.
    raw = stream.compress(b"a" * 100, mode=stream.FLUSH_BLOCK) + stream.flush()
    body = decode_body(raw, encoded("zstd"))
    assert body.data == raw
    assert "The headers say zstd" in body.problem


@pytest.mark.parametrize("encoding", COMPRESS)
def test_what_is_left_of_a_body_that_was_not_stored_whole_is_shown(encoding):
    words = random.Random(1)  # so that the compressed body has many blocks, and the start is known
    text = b"".join(b"%d," % words.randrange(10**9) for _number in range(60_000))
    raw = COMPRESS[encoding](text)[:100_000]
    body = decode_body(raw, encoded(encoding), truncated=True)
    assert len(body.data) > 60_000
    assert text.startswith(body.data)
    assert body.problem is None
    assert "ends too early" in decode_body(raw, encoded(encoding)).problem
    within = packed(COMPRESS[encoding](text))[:100_000]
    body = decode_body(within, encoded(f"{encoding}, gzip"), truncated=True)
    assert body.encodings == ("gzip", encoding)
    assert text.startswith(body.data)


def test_a_body_of_which_too_little_was_stored_says_so():
    raw = zstd.compress(random.Random(1).randbytes(60_000).hex().encode())[:16_384]
    body = decode_body(raw, encoded("zstd"), truncated=True)
    assert body.problem == "Too little of the compressed body was stored to show any of it."
    assert body.data == raw


@pytest.mark.parametrize("encoding", ["compress", "dcb", "gzip, gzip, gzip, gzip, gzip", "x" * 500])
def test_a_compression_that_is_not_known_is_named(encoding):
    raw = b"plain"
    for _time in range(encoding.count("gzip")):
        raw = gzip.compress(raw)
    body = decode_body(raw, encoded(encoding))
    assert "which is not undone here" in body.problem
    assert len(body.problem) < 120


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("text", [TEXT, "ok", "<html>", "\x0b\x02\x80hello\x03", ""])
def test_headers_that_claim_a_compression_that_is_not_there_are_named(encoding, text):
    body = decode_body(text.encode(), encoded(encoding))
    assert body.text == text
    if text:
        assert body.problem == f"The headers say {encoding}, and the body is not."
    else:
        assert body.problem is None


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_that_is_compressed_and_empty_is_empty(encoding):
    body = decode_body(COMPRESS[encoding](b""), encoded(encoding))
    assert (body.text, body.problem, body.encodings) == ("", None, (encoding,))


@pytest.mark.parametrize("encoding", COMPRESS)
def test_bytes_that_are_damaged_at_the_end_are_shown_as_far_as_they_go(encoding):
    text = b"".join(b"%d," % number for number in range(30_000))
    raw = bytearray(COMPRESS[encoding](text))
    raw[-9:] = b"\xff" * 9
    body = decode_body(bytes(raw), encoded(encoding))
    assert "damaged" in body.problem
    assert body.data[:50_000] == text[:50_000]


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

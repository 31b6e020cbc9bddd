"""Each style writes JSON as the encoder does whose name it has."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.signature_check.json_styles import parse, styles

VALUE = (
    '{"b":"Zoë & <Søn> 🔑 a/b\\u007f\\u2028\\t\\"","a":{"z":[],"y":{}},"n":[1,12000.0,-0.5,null],'
    '"t":true}'
)
ENCODERS = {
    "node": ("node", "-e", "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0))))"),
    "node, 2 spaces": (
        "node", "-e", "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0)),null,2))",
    ),
    "php": ("php", "-r", "echo json_encode(json_decode(file_get_contents('php://stdin')));"),
    "php, pretty": (
        "php", "-r",
        "echo json_encode(json_decode(file_get_contents('php://stdin')), JSON_PRETTY_PRINT);",
    ),
    "php, unescaped": (
        "php", "-r",
        "echo json_encode(json_decode(file_get_contents('php://stdin')), JSON_UNESCAPED_UNICODE);",
    ),
    "ruby": ("ruby", "-rjson", "-e", "print JSON.parse($stdin.read).to_json"),
}  # fmt: skip

data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


def written(text: str) -> dict[bytes, str]:
    value = parse(text)
    return {style.write(value): style.description for style in styles(value)}


@given(data, st.booleans(), st.booleans(), st.sampled_from([None, 2, 4, "\t"]))
def test_whatever_python_writes_is_among_the_styles(value, ascii_only, in_order, indent):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    options = {"ensure_ascii": ascii_only, "sort_keys": in_order, "indent": indent}
    assert json.dumps(value, **options).encode("utf-8", "surrogatepass") in written(text)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_other_languages_write_is_among_the_styles(encoder):
    program, *rest = ENCODERS[encoder]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    run = subprocess.run([program, *rest], input=VALUE.encode(), capture_output=True, check=True)
    assert run.stdout in written(VALUE)


def test_the_first_style_writes_a_compact_value_back_as_it_is():
    value = '{"a":[1,12000.00,1e3,"é/<>"],"b":{}}'
    assert next(iter(written(value))) == value.encode()


def test_a_style_is_described_by_what_is_special_about_it():
    found = written('{"b":"é/","a":1.0}')
    assert found[b'{"b":"\\u00e9\\/","a":1.0}'] == (
        "without spaces, non-ASCII characters and slashes escaped (PHP's json_encode)"
    )
    assert found['{"a": 1.0, "b": "é/"}'.encode()] == (
        "with a space after each comma and colon (Python's json.dumps), keys sorted"
    )


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 150 + "]" * 150, "[" * 100_000])
def test_what_is_not_json_or_nested_too_deep_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)

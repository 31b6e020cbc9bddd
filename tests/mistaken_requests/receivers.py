"""What real receivers do wrong with a webhook's body, in their own languages.

Each program reads the raw body from stdin. It writes either the body that it verifies in place of
the raw one, or the signature that it computes. `SECRET`, `ID` and `TIME` are in its environment.
"""

from typing import Final, NamedTuple


class Receiver(NamedTuple):
    """A program and its mistakes."""

    name: str
    language: str
    program: str
    mistakes: tuple[str, ...] = ("reserialized",)
    event: str = "deal"
    """Which body it gets: `contact`, `deal`, `escaped` or `task`."""


def _node(work: str) -> str:
    return f"""
const raw = require('fs').readFileSync(0);
const {{ createHmac }} = require('crypto');
const secret = process.env.SECRET;
const req = {{ rawBody: raw, body: JSON.parse(raw) }};
{work}"""


def _python(work: str) -> str:
    return f"""
import base64, hashlib, hmac, json, os, sys
raw = sys.stdin.buffer.read()
secret = os.environ["SECRET"]
out = sys.stdout.buffer
{work}"""


def _go(work: str, imports: str = "") -> str:
    return f"""package main
import ("encoding/json"; "io"; "os"; {imports})
func main() {{
	raw, _ := io.ReadAll(os.Stdin)
	var body map[string]any
	json.Unmarshal(raw, &body)
	{work}
}}"""


def _java(work: str) -> str:
    return f"""
import com.fasterxml.jackson.databind.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
public class Main {{
  public static void main(String[] args) throws Exception {{
    byte[] raw = System.in.readAllBytes();
    ObjectMapper mapper = new ObjectMapper();
    {work}
  }}
}}"""


_JACKSON: Final = "System.out.write({}.getBytes(StandardCharsets.UTF_8)); System.out.flush();"
_DIGEST: Final = "createHmac('sha256', secret).update(raw).digest({})"
_GO_MAC: Final = """mac := hmac.New(sha256.New, []byte(os.Getenv("SECRET")))"""
_GO_CRYPTO: Final = '"crypto/hmac"; "crypto/sha256"; "encoding/hex"'
_PY_MAC: Final = "hmac.new(secret.encode(), {}, hashlib.sha256)"
_PY_SIGNED: Final = "f\"{os.environ['ID']}.{os.environ['TIME']}.\".encode() + raw"

BODIES: Final = (
    Receiver("express_stringify", "node", _node("process.stdout.write(JSON.stringify(req.body))")),
    Receiver(
        "express_stringify_indent",
        "node",
        _node("process.stdout.write(JSON.stringify(req.body, null, 2))"),
        event="contact",
    ),
    Receiver(
        "express_stringify_then_console_log",
        "node",
        _node("console.log(JSON.stringify(req.body, null, 4))"),
        ("reserialized", "trailing_newline"),
        "contact",
    ),
    Receiver(
        "express_object_as_text",
        "node",
        _node("process.stdout.write(String(req.body))"),
        event="contact",
    ),
    Receiver(
        "node_sorted_keys",
        "node",
        _node(
            "const sorted = v => Array.isArray(v) ? v.map(sorted) : v && typeof v === 'object' ? Object.fromEntries(Object.keys(v).sort().map(k => [k, sorted(v[k])])) : v; process.stdout.write(JSON.stringify(sorted(req.body)))"
        ),
        event="contact",
    ),
    Receiver(
        "php_encode",
        "php",
        "echo json_encode(json_decode(file_get_contents('php://stdin')));",
        event="task",
    ),
    Receiver(
        "php_encode_arrays",
        "php",
        "echo json_encode(json_decode(file_get_contents('php://stdin'), true));",
        event="task",
    ),
    Receiver(
        "php_pretty",
        "php",
        "echo json_encode(json_decode(file_get_contents('php://stdin')), JSON_PRETTY_PRINT | JSON_PRESERVE_ZERO_FRACTION);",
    ),
    Receiver(
        "php_unescaped",
        "php",
        "echo json_encode(json_decode(file_get_contents('php://stdin')), JSON_UNESCAPED_UNICODE | JSON_PRETTY_PRINT);",
        event="task",
    ),
    Receiver(
        "python_dumps",
        "python",
        _python("out.write(json.dumps(json.loads(raw)).encode())"),
        event="task",
    ),
    Receiver(
        "python_dumps_indent",
        "python",
        _python("out.write(json.dumps(json.loads(raw), indent=4, ensure_ascii=False).encode())"),
        event="task",
    ),
    Receiver(
        "python_print",
        "python",
        _python("print(json.dumps(json.loads(raw)))"),
        ("reserialized", "trailing_newline"),
        "contact",
    ),
    Receiver(
        "python_dict_as_text",
        "python",
        _python("out.write(str(json.loads(raw)).encode())"),
        event="contact",
    ),
    Receiver(
        "ruby_pretty",
        "ruby",
        "require 'json'; $stdout.write(JSON.pretty_generate(JSON.parse($stdin.read)))",
        event="task",
    ),
    Receiver(
        "ruby_inspect",
        "ruby",
        "require 'json'; $stdout.write(JSON.parse($stdin.read).to_s)",
        event="contact",
    ),
    Receiver(
        "go_marshal_map",
        "go",
        _go("out, _ := json.Marshal(body); os.Stdout.Write(out)"),
        event="contact",
    ),
    Receiver(
        "go_marshal_struct",
        "go",
        _go("""var event struct {
		Event string `json:"event"`
		Timestamp string `json:"timestamp"`
		OrganizationID string `json:"organizationId"`
		Data json.RawMessage `json:"data"`
	}
	json.Unmarshal(raw, &event)
	out, _ := json.MarshalIndent(event, "", "\\t"); os.Stdout.Write(out)"""),
    ),
    Receiver(
        "jackson_pretty",
        "java",
        _java(
            _JACKSON.format(
                "mapper.writerWithDefaultPrettyPrinter().writeValueAsString(mapper.readTree(raw))"
            )
        ),
        event="task",
    ),
    Receiver(
        "jackson_sorted",
        "java",
        _java(
            "mapper.configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true);"
            + _JACKSON.format("mapper.writeValueAsString(mapper.readValue(raw, TreeMap.class))")
        ),
        event="contact",
    ),
    Receiver(
        "saved_by_an_editor", "python", _python("out.write(raw + b'\\n')"), ("trailing_newline",)
    ),
    Receiver(
        "saved_on_windows", "python", _python("out.write(raw + b'\\r\\n')"), ("trailing_newline",)
    ),
    Receiver(
        "powershell_out_file",
        "python",
        _python("out.write(raw.decode().encode('utf-8-sig'))"),
        ("bom",),
    ),
    Receiver(
        "notepad",
        "python",
        _python("out.write((raw.decode() + '\\r\\n').encode('utf-8-sig'))"),
        ("bom", "trailing_newline"),
    ),
)
"""Receivers that verify another body than the one that was sent."""

SIGNATURES: Final = (
    Receiver(
        "computed_over_stringify",
        "node",
        _node(
            "console.log('sha256=' + createHmac('sha256', secret).update(JSON.stringify(req.body)).digest('hex'))"
        ),
    ),
    Receiver(
        "computed_over_object_as_text",
        "node",
        _node(
            "console.log('sha256=' + createHmac('sha256', secret).update(`${req.body}`).digest('hex'))"
        ),
    ),
    Receiver(
        "computed_over_php_encode",
        "php",
        "$raw = file_get_contents('php://stdin'); echo 'sha256=' . hash_hmac('sha256', json_encode(json_decode($raw, true)), getenv('SECRET'));",
    ),
    Receiver(
        "computed_over_python_dumps",
        "python",
        _python(
            f"print('sha256=' + {_PY_MAC.format('json.dumps(json.loads(raw)).encode()')}.hexdigest())"
        ),
    ),
    Receiver(
        "computed_over_ruby_to_json",
        "ruby",
        "require 'json'; require 'openssl'; raw = $stdin.read; puts 'sha256=' + OpenSSL::HMAC.hexdigest('SHA256', ENV['SECRET'], JSON.parse(raw).to_json)",
        event="escaped",
    ),
    Receiver(
        "computed_over_go_encoder",
        "go",
        _go(
            f"""{_GO_MAC}
	json.NewEncoder(mac).Encode(body)
	os.Stdout.WriteString("sha256=" + hex.EncodeToString(mac.Sum(nil)))""",
            _GO_CRYPTO,
        ),
        ("reserialized", "trailing_newline"),
    ),
    Receiver(
        "computed_by_shell_echo",
        "python",
        _python(
            f"print('sha256=' + {_PY_MAC.format('raw + b chr(10)').replace('b chr(10)', 'bytes([10])')}.hexdigest())"
        ),
        ("trailing_newline",),
    ),
    Receiver(
        "digest_base64",
        "node",
        _node(f"console.log('sha256=' + {_DIGEST.format(repr('base64'))})"),
        ("encoding",),
    ),
    Receiver(
        "digest_without_prefix",
        "node",
        _node(f"console.log({_DIGEST.format(repr('hex'))})"),
        ("prefix",),
    ),
    Receiver(
        "digest_base64_without_prefix",
        "ruby",
        "require 'openssl'; require 'base64'; puts Base64.strict_encode64(OpenSSL::HMAC.digest('SHA256', ENV['SECRET'], $stdin.read))",
        ("encoding", "prefix"),
    ),
    Receiver(
        "standard_in_hex",
        "python",
        _python(
            f"key = base64.b64decode(secret[6:]); print('v1,' + hmac.new(key, {_PY_SIGNED}, hashlib.sha256).hexdigest())"
        ),
        ("encoding",),
    ),
    Receiver(
        "standard_with_own_prefix_in_hex",
        "python",
        _python(
            f"key = base64.b64decode(secret[6:]); print('sha256=' + hmac.new(key, {_PY_SIGNED}, hashlib.sha256).hexdigest())"
        ),
        ("encoding", "prefix"),
    ),
    Receiver(
        "secret_without_whsec",
        "node",
        _node(
            "console.log('sha256=' + createHmac('sha256', secret.replace('whsec_', '')).update(raw).digest('hex'))"
        ),
        ("prefix",),
    ),
)
"""Receivers that compute another signature than the one that was sent."""

"""Make `vectors.json`: signed requests, and what verifying each of them must answer.

    python sdk/make_vectors.py          # write sdk/vectors.json
    python sdk/make_vectors.py --check  # exit with 1 if the file differs from what this makes

The modules in `vector_cases` have the cases, by subject, and compute the signatures with the
`openssl` command line. `README.md` in this folder describes the format and the rules.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from vector_cases import content_cases, ed25519_cases, header_cases, secret_cases
from vector_cases.collection import Vector, Vectors

FILE: Final = Path(__file__).with_name("vectors.json")


def make() -> list[Vector]:
    """Return all vectors."""
    vectors = Vectors()
    secret_cases.schemes(vectors)
    secret_cases.secrets(vectors)
    secret_cases.rotation(vectors)
    content_cases.time(vectors)
    content_cases.changed_bodies(vectors)
    content_cases.content(vectors)
    header_cases.repeated_and_several(vectors)
    header_cases.missing(vectors)
    header_cases.malformed(vectors)
    header_cases.configured_headers(vectors)
    content_cases.unusable(vectors)
    return vectors.all


def make_ed25519() -> list[Vector]:
    """Return the vectors of public keys."""
    vectors = Vectors()
    ed25519_cases.public_keys(vectors)
    return vectors.all


def render(vectors: list[Vector], ed25519: list[Vector]) -> str:
    """Return the file's text; `ValueError` if two vectors have one name."""
    names = [vector["name"] for vector in [*vectors, *ed25519]]
    if len(set(names)) != len(names):
        raise ValueError("two vectors have one name")
    content = {"version": 1, "vectors": vectors, "ed25519": ed25519}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    text = render(make(), make_ed25519())
    if not parser.parse_args().check:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") != text:
        print(f"{FILE.name} is stale: run python sdk/make_vectors.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

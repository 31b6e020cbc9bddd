"""Compiles each template of the settings page once for all pages of a process and its forks.

The product makes one page in a process, and compiles a template when it is first shown. Tests make
hundreds of pages.
"""

from functools import partial
from types import CodeType

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from winnerr_webhooks.settings_page import templating


class _Compiled(BytecodeCache):
    """Keeps the code of templates, by name and content, in memory."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


def compile_once() -> None:
    """From now on, let all environments of this process share what they compile."""
    templating.Environment = partial(Environment, bytecode_cache=_Compiled())  # type: ignore[misc]


def compile_all() -> None:
    """Compile every template now."""
    environment = templating.make_environment(str)
    for name in environment.list_templates():
        environment.get_template(name)

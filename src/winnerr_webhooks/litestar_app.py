"""The web framework without its plugins for libraries that no handler here uses."""

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class LitestarApp(Litestar):
    """A Litestar application whose types are msgspec's.

    Litestar also loads its plugin for pydantic wherever that is installed, as Litestar itself has
    it installed. That import takes a fifth of the time in which the service starts.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]

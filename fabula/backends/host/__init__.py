"""The model host: a separate, killable process that holds one model and streams its output.

The parent's side (`Host`) is asyncio and the standard library; it never imports a model library. The child's side
(`child`) is started by it with `python -m`, and imports whatever its factory needs. Nothing here knows text from
pictures.
"""

from fabula.backends.host.frames import JsonObject
from fabula.backends.host.host import Host, HostSettings, HostSpec, HostState
from fabula.backends.host.messages import Item

__all__ = ["Host", "HostSettings", "HostSpec", "HostState", "Item", "JsonObject"]

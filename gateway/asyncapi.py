"""The AsyncAPI document: written from channels, operations and descriptors, so that it cannot drift. Pure.

AsyncAPI has no words for Socket.IO. Each of its events is a channel with the event's name for an address; what else
there is to know (path, namespace, acknowledgement) stands in the extension `x-socket.io`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from importlib.metadata import version
from typing import Any

from fabula.api.gateway.v1 import gateway_pb2
from gateway.channels import SOCKET_IO, Channel, Said
from gateway.dialects.native import DIALECTS
from gateway.openapi import with_parts
from gateway.operations import NATIVE, Operation
from gateway.payloads import SCHEMAS
from gateway.payloads.schema import ref
from gateway.schemas import Schemas
from gateway.told import told_schemas

SOCKETS = "/v1/ws"
"""Where native WebSockets are opened."""

_DESCRIPTION = (
    "What the gateway tells, from its own point of view: it sends what it tells, and receives what clients say. The "
    "token is shown as everywhere, see /v1/openapi.json; in a browser's WebSocket as the subprotocol bearer.<token>, "
    "with Socket.IO as auth.token. Addresses for single requests stand in /v1/openapi.json."
)
_HOST = {"host": {"default": "127.0.0.1:8080", "description": "Where the gateway is."}}
_SERVERS = {
    "sockets": {"host": "{host}", "protocol": "ws", "variables": _HOST},
    "streams": {"host": "{host}", "protocol": "http", "variables": _HOST},
    "socketIo": {"host": "{host}", "protocol": "socketio", "protocolVersion": "5", "variables": _HOST},
}


def document(channels: Iterable[Channel], operations: Iterable[Operation], generators: Collection[str]) -> bytes:
    """Return the AsyncAPI 3.0 document, as JSON.

    Args:
        channels: The sockets of families of front ends.
        operations: All operations; those that stream events are in the document.
        generators: Which kinds there are.
    """
    schemas = told_schemas(generators)
    written = _Written()
    _write_native(written, schemas)
    for channel in channels:
        written.events(channel) if channel.protocol == SOCKET_IO else written.socket(channel)
    for operation in operations:
        if operation.events:
            written.stream(operation)
    known = {**SCHEMAS, **schemas.components}
    content = {
        "asyncapi": "3.0.0",
        "info": {"title": "Fabula", "version": version("fabula"), "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": _SERVERS,
        "channels": written.channels,
        "operations": written.operations,
        "components": {"messages": written.messages, "schemas": with_parts(written.messages, known)},
    }
    return json.dumps(content, separators=(",", ":")).encode()


class _Written:
    """What of the document is written."""

    def __init__(self) -> None:
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}

    def socket(self, channel: Channel, **more: Any) -> None:
        """Write a WebSocket."""
        binding: dict[str, Any] = {"method": "GET"}
        if channel.query:
            binding["query"] = {"type": "object", "properties": channel.query}
        parameters = {name: {"description": what} for name, what in channel.parameters.items()}
        self._channel(channel.name, channel.address, (*channel.sends, *channel.hears), "sockets", channel.summary,
                      parameters=parameters, bindings={"ws": binding}, **more)  # fmt: skip
        tags = [{"name": channel.family}]
        self._operation(f"{channel.name}Tells", "send", channel.name, channel.sends, tags=tags)
        self._operation(f"{channel.name}Hears", "receive", channel.name, channel.hears, tags=tags)

    def events(self, channel: Channel) -> None:
        """Write a namespace of Socket.IO: each event is a channel of its own."""
        about: dict[str, Any] = {"path": channel.address, "namespace": channel.namespace}
        if channel.auth is not None:
            about["auth"] = channel.auth
        for action, every in (("send", channel.sends), ("receive", channel.hears)):
            for said in every:
                answers = (Said(f"{said.name}Acknowledged", said.answer),) if said.answer else ()
                extension = {**about, "event": said.event, "acknowledged": bool(answers)}
                self._channel(said.name, said.event, (said, *answers), "socketIo", channel.summary,
                              **{"x-socket.io": extension})  # fmt: skip
                reply = {"reply": _reply(said.name, answers)} if answers else {}
                name = f"{said.name}Event"
                self._operation(name, action, said.name, (said,), tags=[{"name": channel.family}], **reply)

    def stream(self, operation: Operation) -> None:
        """Write a stream of server-sent events."""
        every = tuple(
            Said(f"{operation.name}{event.title().replace('_', '')}", schema, event)
            for event, schema in operation.events.items()
        )
        parameters = {name: {"description": "Which one."} for name in re.findall(r"{(\w+)}", operation.path)}
        self._channel(operation.name, operation.path, every, "streams", operation.summary, parameters=parameters)
        binding = {"http": {"method": operation.method}}
        tags = [{"name": operation.family}]
        self._operation(f"{operation.name}Tells", "send", operation.name, every, bindings=binding, tags=tags)
        for said in every:
            self.messages[said.name]["x-event"] = said.event

    def _channel(
        self, name: str, address: str, messages: Iterable[Said], server: str, summary: str, **more: Any
    ) -> None:
        for said in messages:
            self.messages[said.name] = {"name": said.event or said.name, "payload": ref(said.schema)}
        self.channels[name] = {
            "address": address,
            "summary": summary,
            "servers": [{"$ref": f"#/servers/{server}"}],
            "messages": {said.name: {"$ref": f"#/components/messages/{said.name}"} for said in messages},
            **{what: value for what, value in more.items() if value},
        }

    def _operation(self, name: str, action: str, channel: str, messages: Iterable[Said], **more: Any) -> None:
        references = [_message(channel, said) for said in messages]
        if references:
            self.operations[name] = {
                "action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": references, **more,
            }  # fmt: skip


def _message(channel: str, said: Said) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}/messages/{said.name}"}


def _reply(channel: str, answers: Iterable[Said]) -> dict[str, Any]:
    messages = [_message(channel, said) for said in answers]
    return {"channel": {"$ref": f"#/channels/{channel}"}, "messages": messages}


# --- the native frames --------------------------------------------------------------------------------------------


def _write_native(written: _Written, schemas: Schemas) -> None:
    """Write the native WebSocket: each frame is a message, in JSON; its binary form is named beside it."""
    sends = tuple(_frames(gateway_pb2.ServerFrame.DESCRIPTOR, "server", schemas))
    hears = tuple(_frames(gateway_pb2.ClientFrame.DESCRIPTOR, "client", schemas))
    summary = "Any number of generations, told of and steered."
    ticket = {"ticket": {"type": "string"}}
    channel = Channel("native", NATIVE, SOCKETS, summary, sends, hears, query=ticket)
    frames = {"text": "JSON of the frame", "binary": "the frame, serialised"}
    written.socket(channel, **{"x-subprotocols": dict(zip(DIALECTS, frames.values(), strict=True))})
    for frame, every in ((gateway_pb2.ServerFrame, sends), (gateway_pb2.ClientFrame, hears)):
        for said in every:
            written.messages[said.name]["x-protobuf"] = frame.DESCRIPTOR.full_name


def _frames(frame: Any, side: str, schemas: Schemas) -> Iterable[Said]:
    """Yield a message for each thing that a frame may hold."""
    common = {field.json_name: {"type": "string"} for field in frame.fields if field.containing_oneof is None}
    for field in frame.oneofs[0].fields:
        inner = schemas.reference(field.message_type)
        name = side + field.name.title().replace("_", "")
        schemas.components[name] = {
            "type": "object",
            "required": [field.json_name],
            "properties": {**common, field.json_name: inner},
            "additionalProperties": False,
        }
        yield Said(name, name)

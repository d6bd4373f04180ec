"""What the doctor finds out about models, without loading one."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from importlib import util
from pathlib import Path

import grpc

from fabula.backends.text_settings import TEXT_SETTING, OpenAISettings, TransformersSettings, parse_text_model
from fabula.backends.vision_settings import VISION_SETTING, parse_vision_model
from fabula.cli.findings import Finding, fine, note, problem
from fabula.cli.parts import how_to_get, missing
from fabula.errors import InvalidRequest
from fabula.rpc.client import Caller
from fabula.rpc.kinds import IMAGE
from fabula.rpc.tls import tls_of
from fabula.settings import ClientSettings, UpSettings, load

ENDPOINT_SECONDS = 5.0
TORCH_SECONDS = 120.0

_FOR_TEXT = ("torch", "transformers", "safetensors", "llguidance")
_ASK_TORCH = """
import json, torch
cuda = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"version": torch.__version__, "cuda": cuda, "mps": torch.backends.mps.is_available()}))
"""


def text_model(settings: UpSettings) -> Finding:
    """Look at the model that `FABULA_TEXT_MODEL` names."""
    key = settings.text_api_key.get_secret_value() if settings.text_api_key is not None else ""
    parse = partial(
        parse_text_model,
        settings.text_model,
        device=settings.device,
        dtype=settings.dtype,
        api_key=key,
        allow_download=settings.allow_download,
        continues=settings.text_continues,
    )
    bundled = "none: what is bundled writes, grammars that need no model"
    return _named("text model", TEXT_SETTING, parse, bundled)


def vision_model(settings: UpSettings) -> Finding:
    """Look at the model that `FABULA_VISION_MODEL` names."""
    bundled = "none: the bundled looker measures pictures, and needs no model"
    return _named("vision model", VISION_SETTING, partial(parse_vision_model, settings), bundled)


def _named(
    about: str, setting: str, parse: Callable[[], TransformersSettings | OpenAISettings | None], bundled: str
) -> Finding:
    try:
        named = parse()
    except InvalidRequest as error:
        return problem(about, error.message, f"Correct {setting}.")
    match named:
        case None:
            return fine(about, bundled)
        case TransformersSettings():
            return _local(about, named)
        case OpenAISettings():
            return _endpoint(about, named)


def _local(about: str, named: TransformersSettings) -> Finding:
    if not named.is_folder:
        where = "may be downloaded" if named.allow_download else "must be on this machine already"
        return note(about, f"{named.source} from the hub; it {where}")
    folder = Path(named.source).expanduser()
    if not (folder / "config.json").is_file():
        return problem(about, f"{folder} holds no model: there is no config.json", f"Correct {named.setting}.")
    if not any(folder.glob("*.safetensors")):
        return problem(about, f"{folder} has no *.safetensors", "Only safetensors are loaded: convert it.")
    return fine(about, f"{folder} on {named.device}")


def _endpoint(about: str, named: OpenAISettings) -> Finding:
    headers = {"Authorization": f"Bearer {named.api_key}"} if named.api_key else {}
    request = urllib.request.Request(f"{named.base_url}/models", headers=headers)  # noqa: S310 - checked: http or https
    try:
        with urllib.request.urlopen(request, timeout=ENDPOINT_SECONDS) as answer:  # noqa: S310 - likewise
            models = [model.get("id") for model in json.load(answer).get("data", [])]
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return problem(about, f"{named.base_url} answers {error.code}", f"Set {named.key_setting}.")
        return note(about, f"{named.base_url} is there, but lists no models ({error.code})")
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        reason = getattr(error, "reason", error)
        return problem(
            about, f"{named.base_url} does not answer as expected: {reason}", "Start it, or correct the URL."
        )
    if models and named.model not in models:
        listed = ", ".join(str(name) for name in models[:8])
        return problem(about, f"{named.base_url} has no {named.model}; it lists {listed}", f"Correct {named.setting}.")
    return fine(about, f"{named.model} at {named.base_url}")


def painter(address: str, settings: UpSettings) -> Finding:
    """Ask the image server which model paints; where none answers, say which one is configured."""
    named = settings.image_model or "the bundled painter"
    try:
        tls = tls_of(settings)
        with (
            grpc.insecure_channel(address) if tls is None else grpc.secure_channel(address, tls.of_client())
        ) as channel:
            ask = channel.unary_unary(
                IMAGE.path("GetModel"),
                request_serializer=IMAGE.request("GetModel").SerializeToString,
                response_deserializer=IMAGE.response("GetModel").FromString,
            )
            token = load(ClientSettings).token
            caller = Caller(token.get_secret_value() if token is not None else "")
            model = ask(IMAGE.request("GetModel")(), timeout=ENDPOINT_SECONDS, metadata=caller.metadata).model
    except grpc.RpcError:
        if missing("painting"):
            return note("painter", "none answers, and none can run here: see torch")
        return fine("painter", f"{named}; no worker has told what it can do yet")
    by = f"{model.name} and {model.refiner}" if model.refiner else model.name
    size, where = f"{model.default_width} × {model.default_height}", model.environment.device or "an unknown device"
    return fine("painter", f"{by} on {where}: {size}, {model.default_steps} steps")


def torch(*, needed: bool, paints: bool = False) -> Finding:
    """Ask torch what it can use, in a process of its own; the painter needs it, and a local language model.

    Args:
        needed: Whether nothing works as it is configured without it.
        paints: Whether pictures are among what is wanted: without torch, `fabula up` leaves them out.
    """
    lacking = missing("painting") if paints else [name for name in _FOR_TEXT if util.find_spec(name) is None]
    if lacking:
        text = f"not installed: {', '.join(lacking)}"
        if needed:
            return problem("torch", text, "pip install '.[torch]' in Fabula's folder")
        if paints:
            return note("torch", f"{text}; there are no pictures without it", f"To have them: {how_to_get(IMAGE)}")
        return note("torch", f"{text} (only local models need it)")
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=TORCH_SECONDS, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        text = f"installed, but cannot be used: {_last_line(getattr(error, 'stderr', '')) or error}"
        advice = "Install it again: pip install --force-reinstall torch"
        return problem("torch", text, advice) if needed else note("torch", text, advice)
    devices = [f"cuda ({', '.join(found['cuda'])})"] if found["cuda"] else []
    devices += ["mps"] if found["mps"] else []
    return fine(
        "torch", f"{found['version']}; {' and '.join(devices) or 'no accelerator: it computes on the processor'}"
    )


def _last_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[-1] if lines else ""

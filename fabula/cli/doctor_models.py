"""What the doctor finds out about models, without loading one."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import util
from pathlib import Path

from fabula.backends.text_settings import OpenAISettings, TransformersSettings, parse_text_model
from fabula.cli.findings import Finding, fine, note, problem
from fabula.errors import InvalidRequest
from fabula.settings import UpSettings

ENDPOINT_SECONDS = 5.0
TORCH_SECONDS = 120.0

_ASK_TORCH = """
import json, torch
cuda = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"version": torch.__version__, "cuda": cuda, "mps": torch.backends.mps.is_available()}))
"""


def text_model(settings: UpSettings) -> Iterator[Finding]:
    """Look at the model that `FABULA_TEXT_MODEL` names."""
    key = settings.text_api_key.get_secret_value() if settings.text_api_key is not None else ""
    try:
        named = parse_text_model(
            settings.text_model,
            device=settings.device,
            dtype=settings.dtype,
            api_key=key,
            allow_download=settings.allow_download,
            continues=settings.text_continues,
        )
    except InvalidRequest as error:
        yield problem("text model", error.message, "Correct FABULA_TEXT_MODEL.")
        return
    match named:
        case None:
            yield fine("text model", "none: the bundled author writes, a story grammar that needs no model")
        case TransformersSettings():
            yield _local(named)
        case OpenAISettings():
            yield _endpoint(named)


def _local(named: TransformersSettings) -> Finding:
    if not named.is_folder:
        where = "may be downloaded" if named.allow_download else "must be on this machine already"
        return note("text model", f"{named.source} from the hub; it {where}")
    folder = Path(named.source).expanduser()
    if not (folder / "config.json").is_file():
        return problem("text model", f"{folder} holds no model: there is no config.json", "Correct FABULA_TEXT_MODEL.")
    if not any(folder.glob("*.safetensors")):
        return problem("text model", f"{folder} has no *.safetensors", "Only safetensors are loaded: convert it.")
    return fine("text model", f"{folder} on {named.device}")


def _endpoint(named: OpenAISettings) -> Finding:
    about = "text model"
    headers = {"Authorization": f"Bearer {named.api_key}"} if named.api_key else {}
    request = urllib.request.Request(f"{named.base_url}/models", headers=headers)  # noqa: S310 - checked: http or https
    try:
        with urllib.request.urlopen(request, timeout=ENDPOINT_SECONDS) as answer:  # noqa: S310 - likewise
            models = [model.get("id") for model in json.load(answer).get("data", [])]
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return problem(about, f"{named.base_url} answers {error.code}", "Set FABULA_TEXT_API_KEY.")
        return note(about, f"{named.base_url} is there, but lists no models ({error.code})")
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        reason = getattr(error, "reason", error)
        return problem(
            about, f"{named.base_url} does not answer as expected: {reason}", "Start it, or correct the URL."
        )
    if models and named.model not in models:
        listed = ", ".join(str(name) for name in models[:8])
        return problem(about, f"{named.base_url} has no {named.model}; it lists {listed}", "Correct FABULA_TEXT_MODEL.")
    return fine(about, f"{named.model} at {named.base_url}")


def torch(*, needed: bool) -> Finding:
    """Ask torch what it can use, in a process of its own; nobody needs it unless a local model is named."""
    missing = [name for name in ("torch", "transformers", "safetensors", "llguidance") if util.find_spec(name) is None]
    if missing:
        text, advice = f"not installed: {', '.join(missing)}", "pip install '.[torch]' in Fabula's folder"
        return problem("torch", text, advice) if needed else note("torch", f"{text} (only local models need it)")
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

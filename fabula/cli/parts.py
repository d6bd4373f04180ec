"""What can be left out of an installation: the extras of the distribution, and what each generator needs of them."""

from __future__ import annotations

from importlib import util

from fabula.rpc.kinds import KINDS, Kind
from fabula.settings import UpSettings

PARTS = {
    "gateway": ("starlette", "uvicorn", "websockets", "python_multipart"),
    "story": ("jinja2", "inflect", "charset_normalizer", "httpx", "jsonschema"),
    "character": ("jinja2", "httpx", "jsonschema", "PIL", "numpy"),
    "image": ("PIL", "numpy"),
    "painting": ("torch", "diffusers", "transformers", "safetensors"),
}
"""The packages that stand for an extra."""

WORKERS_NEED = {"image": ("image", "painting")}
"""The extras that a generator's worker needs, where it is more than the one of its own name."""


def missing(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed. They are looked for, not imported."""
    return [name for name in PARTS.get(extra, ()) if util.find_spec(name) is None]


def missing_for(kind: Kind) -> list[str]:
    """Return what a generator lacks to work on this machine: packages, or its own code."""
    own = [] if util.find_spec(f"services.{kind.name}.__main__") else [f"services.{kind.name}"]
    return own + [name for extra in WORKERS_NEED.get(kind.name, (kind.name,)) for name in missing(extra)]


def how_to_get(kind: Kind) -> str:
    """Return what to do where a generator cannot work for want of packages."""
    extras = ",".join(WORKERS_NEED.get(kind.name, (kind.name,)))
    return f"make setup, or pip install '.[{extras}]' in Fabula's folder"


def wanted(settings: UpSettings) -> list[Kind]:
    """Return the generators that belong to the installation, whether they can work here or not."""
    return [kind for kind in KINDS.values() if settings.has(kind.name)]

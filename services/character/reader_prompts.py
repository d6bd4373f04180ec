"""The prompts of those who look at pictures: the Jinja2 files `prompts/picture_*.j2`.

They are rendered in a sandbox, with values and never with templates from users.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment


def rendered(name: str, **values: object) -> str:
    """Return a prompt: the file `prompts/picture_NAME.j2` with these values."""
    return _template(name).render(**values).strip()


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"picture_{name}.j2")


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    folder = files("services.character") / "prompts"
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        undefined=StrictUndefined,
        autoescape=False,
    )

"""The prompts: the Jinja2 files in `prompts/`.

They are rendered in a sandbox, with values and never with templates from users.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment


def rendered(name: str, **values: object) -> str:
    """Return the prompt `prompts/NAME.j2` with these values. Raises `UndefinedError` where one that it names lacks."""
    return template(name).render(**values).strip()


@cache
def template(name: str) -> Template:
    """Return the prompt `prompts/NAME.j2`, compiled."""
    return _environment().get_template(f"{name}.j2")


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    folder = files("services.character") / "prompts"
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        undefined=StrictUndefined,
        autoescape=False,
    )

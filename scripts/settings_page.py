"""Write the table in docs/settings.md from the classes in fabula/settings.

python scripts/settings_page.py           writes it
python scripts/settings_page.py --check   ends with code 1 when it is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fabula.settings import (
    CharacterServerSettings,
    CharacterWorkerSettings,
    ClientSettings,
    GatewaySettings,
    ImageServerSettings,
    ImageWorkerSettings,
    ServerSettings,
    Settings,
    UpSettings,
    WorkerSettings,
)

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN = "<!-- table: written by scripts/settings_page.py -->\n"
END = "<!-- end of table -->\n"
READERS: dict[str, type[Settings]] = {
    "story server": ServerSettings,
    "story worker": WorkerSettings,
    "character server": CharacterServerSettings,
    "character worker": CharacterWorkerSettings,
    "image server": ImageServerSettings,
    "image worker": ImageWorkerSettings,
    "gateway": GatewaySettings,
    "commands": ClientSettings,
}


def default_of(field: FieldInfo) -> str:
    """Return the default as a person would write it; empty where the text explains it."""
    value = field.default
    if value is PydanticUndefined or value in {None, "", ()}:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def rows() -> list[str]:
    """Return the table's rows: `fabula up` reads what the processes read, the commands a little more."""
    fields = {**UpSettings.model_fields, **ClientSettings.model_fields}
    lines = []
    for name, field in sorted(fields.items()):
        readers = [reader for reader, cls in READERS.items() if name in cls.model_fields]
        readers += ["up"] if name in UpSettings.model_fields else []
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `FABULA_{name.upper()}` | {default_of(field)} | {meaning} | {', '.join(readers)} |\n")
    return lines


def main() -> int:
    """Write the page, or say whether it is up to date."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    table = ["| variable | default | meaning | read by |\n", "|---|---|---|---|\n", *rows()]
    page = "".join([before, BEGIN, *table, END, after])
    if page == PAGE.read_text():
        return 0
    if "--check" in sys.argv[1:]:
        sys.stderr.write("docs/settings.md is not up to date: run `python scripts/settings_page.py`\n")
        return 1
    PAGE.write_text(page)
    print("docs/settings.md written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the watcher of a story is told: its outline, its reviews, the titles of its chapters. Pure."""

from __future__ import annotations

from typing import Any

from fabula.cli.telling import Item, Remark, Teller, count, took

WRITE, REVISE = "write-", "revise-"


class StoryTeller(Teller):
    """Tells of a story."""

    def __init__(self) -> None:
        super().__init__()
        self._chapters: dict[int, str] = {}

    def heading(self, stage: str) -> str:
        """Return the heading of a stage's text: the chapter's."""
        number = stage.rpartition("-")[2]
        if stage.startswith(WRITE) and number.isdigit():
            title = self._chapters.get(int(number), "")
            if len(self._chapters) == 1 and title:
                return title
            return f"{number}. {title}" if title else f"Chapter {number}"
        return f"Revision {number}" if stage.startswith(REVISE) else stage

    def finished(self, response: Any, body: Any) -> Item:
        """Return what is told when a stage is finished."""
        match response.WhichOneof("output"):
            case "outline":
                outline = response.outline
                self._chapters = {chapter.number: chapter.title for chapter in outline.chapters}
                return Remark(f"Outline: “{outline.title}”, {count(len(outline.chapters), 'chapter')} ({took(body)})")
            case "review" if response.review.accepted:
                return Remark(f"The Critic accepts it ({took(body)})")
            case "review":
                findings = count(len(response.review.findings), "thing")
                return Remark(f"The Critic found {findings} to mend ({took(body)})")
            case _:
                return super().finished(response, body)

    def succeeded(self, response: Any) -> str:
        """Return the line that says what came out of it."""
        story = response.story
        return f"Finished: “{story.title}”, {story.word_count} words, by {story.model}"

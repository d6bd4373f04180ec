"""What a story is asked for and made of: plain values, no behaviour, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Character:
    """A person of the story, as the user described them or as the library has them.

    Attributes:
        name: As the story should use it; empty lets the library say it.
        description: Who that is; may be empty.
        id: Of a character of the library; empty for others.
        looks: How the person looks, in sentences; may be empty.
        history: Where the person comes from, in paragraphs; may be empty.
    """

    name: str
    description: str = ""
    id: str = ""
    looks: str = ""
    history: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """The people asked for, with what the library knows of them."""

    characters: tuple[Character, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The user's wishes for a language model's sampling; absent means the author's own default."""

    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything a story can be asked for. At least one of `premise` and `source` is not empty.

    Attributes:
        premise: What the story is about, in the user's words.
        source: A text to make the story from (an uploaded file, decoded); empty if there is none.
        title: Wanted title; empty lets the author choose.
        genre: Wanted genre in free words ("fantasy", "detective story"); empty lets the author choose.
        tone: Wanted tone in free words ("funny", "dark"); empty lets the author choose.
        audience: For whom ("children", "adults"); empty means everybody.
        language: BCP 47 tag the story is to be written in.
        characters: People who must occur, by name.
        words: Wanted length of the whole story, in words.
        chapters: Wanted number of chapters; 0 lets the author choose by length.
        instructions: The user's own prompt for the author, beside the premise.
        seed: Makes the choice of the author repeatable.
        revisions: How often a rejected draft may be revised at most.
        sampling: Wishes for a language model's sampling.
    """

    premise: str = ""
    source: str = ""
    title: str = ""
    genre: str = ""
    tone: str = ""
    audience: str = ""
    language: str = "en"
    characters: tuple[Character, ...] = ()
    words: int = 600
    chapters: int = 0
    instructions: str = ""
    seed: int = 0
    revisions: int = 2
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class ChapterPlan:
    """One chapter as planned.

    Attributes:
        number: Position in the story, from 1.
        title: The chapter's heading.
        summary: What happens, in a sentence or two.
        words: Wanted length, in words.
        mentions: Names and things from the outline that this chapter must mention.
    """

    number: int
    title: str
    summary: str
    words: int
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """The plan of a story.

    Attributes:
        title: The story's title.
        logline: The story in one sentence.
        genre: The genre it is told in.
        setting: Where and when it happens.
        cast: The people in it; the user's characters come first.
        chapters: The chapters in order; never empty.
        theme: What it is about beneath the plot; may be empty.
    """

    title: str
    logline: str
    genre: str
    setting: str
    cast: tuple[Character, ...]
    chapters: tuple[ChapterPlan, ...]
    theme: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One chapter as written: plain paragraphs separated by empty lines, without its heading."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """All chapters of a story, in order."""

    title: str
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a critic found.

    Attributes:
        check: Which check it was ("length", "language", "characters", "repetition", "outline", "opinion").
        reason: What is wrong, in a sentence a writer can act on.
        chapter: The chapter concerned, from 1; 0 means the whole story.
    """

    check: str
    reason: str
    chapter: int = 0


@dataclass(frozen=True, slots=True)
class Review:
    """A critic's judgement of a draft: accepted if there are no findings that demand a revision."""

    accepted: bool
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where the text to make a story from is kept.

    Attributes:
        label: The file's name or other label; may be empty.
        blob: Its name among the blobs.
        size_bytes: Its size, in UTF-8.
        sha256: Digest of its bytes, in hex.
    """

    label: str
    blob: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Order:
    """A story as it was ordered: the brief, and where its source text lies (the brief's own `source` is empty)."""

    brief: Brief
    source: SourceRef | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Working time of one stage, in seconds."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Story:
    """A story: the result, or what there is of it so far.

    Attributes:
        title: The title.
        text: The whole text in Markdown, with headings.
        words: Words in it, headings not counted.
        outline: The plan; None until it is made.
        chapters: The chapters so far.
        reviews: The reviews so far, in order.
        model: Who wrote it.
        seed: The seed that was used.
        timings: Working times of the finished stages, in order.
    """

    title: str
    text: str
    words: int
    outline: Outline | None
    chapters: tuple[Chapter, ...]
    reviews: tuple[Review, ...]
    model: str
    seed: int
    timings: tuple[Timing, ...] = ()

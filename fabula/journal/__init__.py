"""The engine's ports on NATS JetStream, and the private server of a laptop."""

from fabula.journal.journal import Journal, connect
from fabula.journal.settings import JournalSettings

__all__ = ["Journal", "JournalSettings", "connect"]

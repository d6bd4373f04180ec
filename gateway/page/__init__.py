"""The plain page, as files."""

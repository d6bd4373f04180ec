"""The fabula command."""

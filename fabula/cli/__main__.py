"""Runs the command as `python -m fabula.cli`."""

from fabula.cli.main import main

main()

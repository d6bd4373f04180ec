"""The whole system, as people run it: real processes, a real browser."""

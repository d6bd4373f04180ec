"""Doors: the transports through which browsers and programs come in. They know no payloads."""

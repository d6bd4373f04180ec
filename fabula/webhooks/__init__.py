"""Tells owners' own addresses when generations end: signed, retried, and never into private networks unasked."""

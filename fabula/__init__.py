"""Fabula: generations that can be watched, left and resumed."""

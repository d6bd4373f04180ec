"""Judges what the painter paints, by a classifier and by prompts that the painter's training never sees."""

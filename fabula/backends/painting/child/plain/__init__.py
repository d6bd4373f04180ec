"""Painting by a pipeline's own call, from noise to pixels, with whatever loads as a text-to-image pipeline."""

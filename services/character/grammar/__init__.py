"""A character maker without a model: lexicons, a light reading of the description, and shapes of lives."""

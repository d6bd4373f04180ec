"""An author without a model: a story grammar."""

"""The contract of the image service."""

"""Makes characters from a line or a picture, while people watch."""

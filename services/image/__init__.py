"""The image service: pictures, painted by diffusion while people watch."""

"""The child's side of the `diffusers` adapter: imports torch, and is imported in a host's child process only."""

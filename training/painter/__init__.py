"""The bundled painter: a renderer of storybook pictures and the training of a small diffusion pipeline on them."""

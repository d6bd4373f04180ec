"""What the `diffusers` adapter is made of: the parent's side here, the child's in `child`.

Only `child` may import a model library; everything else is pure or asyncio, with numpy and Pillow for previews.
"""

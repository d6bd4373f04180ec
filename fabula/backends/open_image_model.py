"""From settings to an image model. It must not import what the model's process needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fabula.backends.image import ImageModel
    from fabula.backends.image_settings import DiffusersSettings


def open_image_model(settings: DiffusersSettings) -> ImageModel:
    """Return the model that the settings name.

    Nothing is loaded yet: that happens at the first call. The caller closes the model.
    """
    from fabula.backends.diffusers_image import DiffusersImage  # noqa: PLC0415 - only who paints needs numpy and Pillow

    return DiffusersImage(settings)

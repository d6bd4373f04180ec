"""Paints with Stable Diffusion 1, 2 and XL and their few-step kin, from state to state: a picture goes on anywhere."""

from __future__ import annotations

from fabula.backends.host.hosted import Work
from fabula.backends.painting.child.decoding import decode, preview_maker
from fabula.backends.painting.child.denoising import Denoiser
from fabula.backends.painting.child.details import details, fingerprint
from fabula.backends.painting.child.loading import Ground, load_all
from fabula.backends.painting.child.prompts import Prompts, read
from fabula.backends.painting.child.schedulers import Schedulers
from fabula.backends.painting.child.torch_tensors import from_raw
from fabula.backends.painting.state import header_of
from fabula.backends.painting.tensor_file import TensorFileError, pack, unpack
from fabula.errors import InvalidRequest


class StockPainter:
    """A pipeline with a refiner or without, held to windows of its steps.

    Args:
        ground: What to load.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """

    def __init__(self, ground: Ground) -> None:
        self._loaded = loaded = load_all(ground)
        self._prompts = Prompts()
        schedulers = Schedulers(loaded.base.pipeline.scheduler)
        print_ = fingerprint(loaded)
        self.details = details(loaded, schedulers, print_)
        self._denoiser = Denoiser(loaded, self._prompts, schedulers, print_, preview_maker(loaded))

    def encode(self, work: Work) -> None:
        """Tell how a prompt is read, and keep what comes of it."""
        request = work.request
        reading = read(self._loaded.base.pipeline, request["prompt"])
        paintings = [self._loaded.base]
        if request["refines"] and self._loaded.refiner is not None:
            paintings.append(self._loaded.refiner)
        for painting in paintings:
            work.check()
            self._prompts.encode(painting, request["prompt"], request["negative_prompt"], request["guidance"])
        work.emit({"tokens": reading.tokens, "limit": reading.limit, "dropped": reading.dropped})

    def denoise(self, work: Work) -> None:
        """Denoise a batch, each member from where it stands."""
        self._denoiser.run(work)

    def decode(self, work: Work) -> None:
        """Give the pictures of denoised latents."""
        try:
            header = header_of(work.payload)
            tensors, _ = unpack(work.payload)
        except TensorFileError as error:
            raise InvalidRequest(f"The latents cannot be read: {error}.") from error
        latents = from_raw(tensors[header.scheduler["latents"]["tensor"]])
        for picture in decode(self._loaded.base.pipeline, latents, work.check):
            work.emit({}, pack({"rgb": picture}, {}))

"""The parts that the settings of processes are put together from: one for each thing that can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from fabula.settings.base import Settings
from fabula.settings.limits import LimitSettings
from fabula.settings.security import AuthSettings, BindHost, CookieName, ServiceSettings
from fabula.settings.values import Device, NatsUrl, Origins, Port, Replicas, Seconds
from fabula.settings.webhooks import WebhookSettings


class ConnectedSettings(WebhookSettings):
    """How the processes of one installation use the journal; the same in all of them."""

    nats_replicas: Replicas = 1
    """Copies that the NATS cluster keeps of everything: 1 for a single server."""

    lease_seconds: Annotated[float, Field(ge=0.5, le=600)] = 2.0
    """A job whose worker gives no sign of life for so long is handed to another, in seconds."""

    owner_running: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Most generations of one owner, of each kind, that all workers together have at hand at a time; the others wait,
    while other owners' go on. 0: any number."""


class OwnerQueueSettings(Settings):
    """How much one owner may have waiting."""

    owner_queued: Annotated[int, Field(ge=0, le=10_000_000)] = 1000
    """Most generations of one owner, of each kind, that wait for a worker; who starts, resumes or retries more is told
    to try later. 0: any number."""


class JournalSettings(ConnectedSettings):
    """Where the journal is, for processes that do not bring their own."""

    nats_url: Annotated[NatsUrl, Field(repr=False)]  # a password may stand in it
    """Address of the NATS server, e.g. `nats://127.0.0.1:4222`; of a cluster several, with commas between."""


class StoryPortSettings(Settings):
    """Where the story server listens."""

    story_port: Port = 50051
    """Port of the story server."""


class StoryClientSettings(StoryPortSettings):
    """Where the story server is found."""

    # The story port is validated first: it belongs to the base class.
    story_address: Annotated[str, Field(min_length=1, default_factory=lambda data: f"127.0.0.1:{data['story_port']}")]
    """Where clients find the story server, `HOST:PORT`. Not set: `FABULA_STORY_PORT` on this machine."""


class StoryBindSettings(StoryPortSettings, ServiceSettings, OwnerQueueSettings):
    """Where and how the story server listens."""

    story_host: BindHost = "127.0.0.1"
    """Address that the story server binds. Other than loopback only with authentication, or `FABULA_AUTH=off`."""


class CharacterPortSettings(Settings):
    """Where the character server listens."""

    character_port: Port = 50052
    """Port of the character server."""


class CharacterClientSettings(CharacterPortSettings):
    """Where the character server is found."""

    character_address: Annotated[
        str, Field(min_length=1, default_factory=lambda data: f"127.0.0.1:{data['character_port']}")
    ]
    """Where clients find the character server, `HOST:PORT`. Not set: `FABULA_CHARACTER_PORT` on this machine."""


class CharacterBindSettings(CharacterPortSettings, ServiceSettings, OwnerQueueSettings):
    """Where and how the character server listens."""

    character_host: BindHost = "127.0.0.1"
    """Address that the character server binds. Other than loopback only with authentication, or `FABULA_AUTH=off`."""


class ImagePortSettings(Settings):
    """Where the image server listens."""

    image_port: Port = 50053
    """Port of the image server."""


class ImageClientSettings(ImagePortSettings):
    """Where the image server is found."""

    image_address: Annotated[str, Field(min_length=1, default_factory=lambda data: f"127.0.0.1:{data['image_port']}")]
    """Where clients find the image server, `HOST:PORT`. Not set: `FABULA_IMAGE_PORT` on this machine."""


class ImageBindSettings(ImagePortSettings, ServiceSettings, OwnerQueueSettings):
    """Where and how the image server listens."""

    image_host: BindHost = "127.0.0.1"
    """Address that the image server binds. Other than loopback only with authentication, or `FABULA_AUTH=off`."""


class ModelSettings(Settings):
    """How models run on this machine."""

    device: Device = "auto"
    """Where a model runs: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`."""

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Numbers a model computes with. `auto`: bfloat16 on cuda, float16 on mps, float32 on cpu."""

    allow_download: bool = False
    """Whether a hub model that is not on this machine may be downloaded."""


class ImageModelSettings(ModelSettings):
    """Which model paints; without one the bundled painter does."""

    image_model: str = ""
    """`diffusers:FOLDER` or `diffusers:HUB_ID@REVISION`: a text-to-image pipeline with its weights in safetensors. Not
    set: the bundled painter."""

    image_refiner: str = ""
    """The refiner that takes over at the hand-over point, named like `FABULA_IMAGE_MODEL`. Not set: that of the bundled
    painter, where it paints; else none."""

    image_offload: Literal["none", "model", "sequential"] = "none"
    """What waits in main memory while an accelerator does not use it: `none`, whole parts (`model`), or single layers
    (`sequential`: least memory, slowest)."""

    image_attention_slicing: bool = False
    """Whether attention is computed in slices: less memory, slower."""

    image_vae_tiling: bool = False
    """Whether large pictures are decoded in tiles: less memory."""

    image_compile: bool = False
    """Whether the denoising network is compiled (`torch.compile`): minutes at the first picture, faster then."""

    image_preview_decoder: str = ""
    """A tiny decoder for previews, such as TAESD: named like `FABULA_IMAGE_MODEL`. Not set: a linear projection of the
    latents, for latent spaces that are known."""

    image_default_steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Denoising steps where a request names none. Not set: what suits the model."""

    image_default_guidance: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] | None = None
    """Guidance where a request names none. Not set: what suits the model."""

    image_max_steps: Annotated[int, Field(ge=1, le=1000)] = 150
    """Most denoising steps of a request."""

    image_max_pixels: Annotated[int, Field(ge=256, le=67_108_864)] = 4_194_304
    """Most pixels of a picture, width times height."""

    image_batch: Annotated[int, Field(ge=0, le=64)] = 0
    """Most pictures that are denoised together. 1: each alone. 0: what pays on the device."""

    image_batch_wait_seconds: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.03
    """How long an idle model waits at most for requests that are about to come, to share a batch with, in seconds."""


class TextModelSettings(ModelSettings):
    """Which model writes; without one the bundled author does."""

    text_model: str = ""
    """`transformers:FOLDER`, `transformers:HUB_ID@REVISION` or `openai:MODEL@URL`. Not set: the bundled author."""

    text_api_key: SecretStr | None = None
    """Key for an `openai` endpoint."""

    text_continues: bool = False
    """Whether the `openai` endpoint goes on in the middle of an answer when the last turn is the assistant's."""

    grammar_words_per_second: Annotated[float, Field(ge=0, le=1_000_000)] = 12.0
    """Speed of the bundled author, in words per second, so that it can be watched. 0: as fast as it can."""


class VisionModelSettings(ModelSettings):
    """Which model looks at pictures; without one the bundled looker measures them."""

    vision_model: str = ""
    """`transformers:FOLDER`, `transformers:HUB_ID@REVISION` or `openai:MODEL@URL`: a model that is shown a picture and
    answers in text. Not set: the bundled looker, which measures colours, light and layout."""

    vision_api_key: SecretStr | None = None
    """Key for the `openai` endpoint of `FABULA_VISION_MODEL`."""


class WorkerHealthSettings(ServiceSettings):
    """Where a worker answers health checks."""

    worker_host: BindHost = "127.0.0.1"
    """Address on which a worker answers health checks, where `FABULA_WORKER_PORT` is set."""

    worker_port: Port | None = None
    """Port on which a worker answers health checks. Not set: it does not listen at all."""


class StoryWorkerOnlySettings(TextModelSettings, WorkerHealthSettings):
    """What only story workers are told."""

    worker_slots: Annotated[int, Field(ge=1, le=256)] = 4
    """Stories that one worker writes at a time."""


class CharacterWorkerOnlySettings(TextModelSettings, VisionModelSettings, WorkerHealthSettings):
    """What only character workers are told."""

    character_slots: Annotated[int, Field(ge=1, le=256)] = 4
    """Characters that one worker makes at a time."""

    character_keep_seconds: Annotated[int, Field(ge=60, le=315_360_000)] = 604_800
    """How long a character is kept that nobody saves, in seconds."""


class ImageWorkerOnlySettings(ImageModelSettings, WorkerHealthSettings):
    """What only image workers are told."""

    image_slots: Annotated[int, Field(ge=1, le=256)] = 4
    """Requests for pictures that one worker has at hand at a time; those that fit together share a batch."""

    image_checkpoint_steps: Annotated[int, Field(ge=1, le=1000)] = 5
    """Denoising steps from one checkpoint to the next: what a killed worker costs at most."""


class HttpSettings(StoryClientSettings, CharacterClientSettings, ImageClientSettings, LimitSettings, AuthSettings):
    """What the gateway is told, apart from what every process is."""

    http_host: BindHost = "127.0.0.1"
    """Address that the gateway binds. Other than loopback only with authentication, or `FABULA_AUTH=off`."""

    http_port: Port = 8080
    """Port of the gateway: web page, REST, WebSocket and SSE."""

    allowed_origins: Origins = ()
    """Origins of other sites whose pages may use the gateway, e.g. `https://stories.example`, with commas between."""

    session_cookie: CookieName = "fabula_session"
    """Name of the cookie in which a browser may keep its token; see `POST /v1/session`. Where browsers come by https
    only, a name that begins with `__Host-` keeps other hosts of the same domain from setting it."""

    keepalive_seconds: Seconds = 20.0
    """How often a silent connection is given a sign of life, in seconds."""

    grpc_web_message_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 12 * 1024 * 1024
    """Largest message of a gRPC-Web request, in bytes. The services take 12 MiB: room for a picture of 10 MiB."""

    start_wait_seconds: Annotated[float, Field(gt=0, le=600)] = 300.0
    """How long a socket that waits for a picture which nobody has asked for yet is kept open, in seconds."""

    answer_seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 600.0
    """How long a request that is answered with the finished work is kept waiting for it, in seconds (`POST /run`,
    `POST /api/media/generate`)."""

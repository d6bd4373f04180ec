"""A card and a spec that tests of painting start from."""

from __future__ import annotations

from fabula.backends.image import ImageCard, PictureSpec, SchedulerCard

CARD = ImageCard(
    name="fox",
    refiner="vixen",
    default_width=512,
    default_height=512,
    min_side=64,
    max_side=2048,
    max_pixels=1024 * 1024,
    side_multiple=8,
    default_steps=30,
    high_quality_steps=50,
    max_steps=150,
    default_guidance=5.0,
    max_guidance=50.0,
    default_handover=0.8,
    max_count=8,
    schedulers=(SchedulerCard("euler", resumes=True), SchedulerCard("heun", resumes=False)),
    takes_source=True,
    previews="linear",
    prompt_tokens=75,
    device="cpu",
    dtype="float32",
    threads=2,
    libraries="torch 2",
    fingerprint="f" * 64,
)
SPEC = PictureSpec("a fox", 512, 512, 30, 5.0, "euler", (1,))

"""Random ways that a generation can go, deaths, pauses, restarts, failures and retries included."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from fabula.engine.events import Pending, State
from fabula.engine.states import Command
from fabula.rpc.kinds import IMAGE
from tests.log_rules import assert_rules
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Play, Scene

LONGEST = 60
"""Events after which a scene is brought to its end without further turns."""

STORIES = st.builds(plays.story, st.integers(1, 3), st.integers(0, 3), source=st.booleans(), cast=st.booleans())
CHARACTERS = st.builds(plays.character, image=st.booleans(), avatar=st.booleans())
IMAGES = st.builds(plays.image, st.integers(1, 4), st.integers(0, 2))


def scenes(play: st.SearchStrategy[Play]) -> st.SearchStrategy[Scene]:
    """Return scenes of such plays; each keeps the rules of the log."""
    return st.builds(wander, play, st.integers(0, 2**32).map(random.Random))


def wander(play: Play, rng: random.Random) -> Scene:
    """Play a scene to some end."""
    scene = Scene(play)
    while not _over(scene, rng):
        calm = len(scene.log) > LONGEST or rng.random() < 0.7
        match scene.last.state:
            case State.QUEUED:
                _queued(scene, rng, calm=calm)
            case State.PAUSED:
                scene.ask(Command.RESUME if calm or rng.random() < 0.8 else Command.CANCEL)
            case State.RUNNING if scene.last.pending is not Pending.NOTHING:
                _stop(scene, rng)
            case State.RUNNING if calm:
                _go_on(scene, rng)
            case State.RUNNING:
                _disturb(scene, rng)
            case _:
                scene.ask(Command.RETRY, rng.choice(["", *scene.fold.stages]))
    assert_rules(scene.log)
    return scene


def _over(scene: Scene, rng: random.Random) -> bool:
    state = scene.last.state
    if state is State.FAILED:
        return len(scene.log) > LONGEST or rng.random() < 0.3
    return state.terminal


def _queued(scene: Scene, rng: random.Random, *, calm: bool) -> None:
    if calm:
        scene.claim()
        return
    match rng.randrange(3):
        case 0:
            scene.wait(rng.randrange(4))
        case 1:
            scene.ask(Command.PAUSE)
        case 2:
            scene.ask(rng.choice([Command.PAUSE, Command.CANCEL]))


def _stop(scene: Scene, rng: random.Random) -> None:
    """Carry out what is asked for, unless it is withdrawn first."""
    if scene.last.pending is Pending.PAUSE and rng.random() < 0.2:
        scene.ask(Command.RESUME)
    else:
        scene.obey()


def _go_on(scene: Scene, rng: random.Random) -> None:
    """Do the next bit of work."""
    stage = scene.stage
    if scene.to_do is None:
        scene.succeed()
    elif stage is None:
        scene.begin()
    elif not stage.units:
        scene.finish()
    elif scene.play.kind is IMAGE:
        step = scene.last.progress.step or 0
        if step - stage.units_before >= stage.units:
            scene.finish()
        else:
            scene.advance(step + 1, stage.units_in_all)
    elif rng.random() < 0.6:
        scene.write(rng.choice(["word ", "two words ", "\n\n"]))
    else:
        scene.finish()


def _disturb(scene: Scene, rng: random.Random) -> None:
    """Let something come between."""
    at_work = scene.stage is not None
    match rng.randrange(9):
        case 0:
            scene.claim()  # the worker has died
        case 1:
            scene.release()
        case 2:
            scene.ask(Command.PAUSE)
        case 3 if rng.random() < 0.3:
            scene.ask(Command.CANCEL)
        case 4 if at_work:
            scene.fail()
        case 5 if at_work:
            scene.restart("the stage failed and is tried again")
        case 6 if at_work:
            scene.advance(message="Loading the model")
        case 7 if at_work and scene.play.kind.has_previews:
            scene.show(1, rng.randrange(2))
        case _:
            scene.say("something is worth a line")

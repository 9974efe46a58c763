"""Where is a person? Where "she" or "he" went, right after they were named."""

from dmn_keras.datasets.stories.names import pronoun
from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question, World


def build(world):
    """Ask where somebody is; the supporting facts are the last that names them, and the next, which does not."""
    person = world.draws.choice(world.people)
    world.pause(reserve=2)
    named = world.move(person)
    move = go_on(world, person)
    world.rest(person)
    world.fill()
    return Question(f"Where is {person}?", (world.at[person],), (named, move))


def go_on(world, person):
    """Let whoever the latest fact names move on under a pronoun; if it names nobody `person` moves."""
    latest = world.facts[-1]
    if latest.kind != "move":
        return world.move(person)
    subject = latest.names[0]
    return world.move(subject, pronoun=pronoun(subject))


TASK = StoryTask(build, usual_facts=(2, 10), least_facts=2, least_people=2, actions=(World.move, go_on))

"""Makes a small data set of one's own: questions about the log of a support desk, as JSON lines.

    python examples/tickets.py examples/tickets
    dmn-keras train --dataset jsonl --data-dir examples/tickets --output runs/tickets

A story is the log of a day, of 4 to 14 entries; a question asks who works on a ticket, what its state is, or which
team has it now. The supporting facts are the entries that the answer follows from.
"""

import json
import pathlib
import random
import sys

AGENTS = ("Amira", "Ben", "Chloe", "Dev", "Elif", "Frank")
TEAMS = ("billing", "network", "hardware", "accounts")
STATES = ("open", "waiting", "solved", "closed")
TOPICS = ("printer", "login", "invoice", "router", "laptop", "mailbox")


def story(rng: random.Random) -> dict:
    """Return one record: a story, a question about it, the answer and the supporting facts."""
    topics = rng.sample(TOPICS, rng.randint(2, 4))
    owner, team, state = {}, {}, {}
    facts = []
    for number in range(rng.randint(4, 14)):
        topic = rng.choice(topics)
        kind = rng.randrange(3)
        if kind == 0:
            agent = rng.choice(AGENTS)
            facts.append(rng.choice(("{} takes the {} ticket.", "{} now works on the {} ticket.")).format(agent, topic))
            owner[topic] = agent, number
        elif kind == 1:
            new = rng.choice(STATES)
            facts.append(f"The {topic} ticket is set to {new}.")
            state[topic] = new, number
        else:
            place = rng.choice(TEAMS)
            facts.append(f"The {topic} ticket moves to {place}.")
            team[topic] = place, number
    questions = [("Who works on the {} ticket?", owner), ("What is the state of the {} ticket?", state)]
    questions.append(("Which team has the {} ticket?", team))
    question, known = rng.choice([(text, answers) for text, answers in questions if answers])
    topic = rng.choice(sorted(known))
    answer, fact = known[topic]
    return {"story": facts, "question": question.format(topic), "answer": answer, "supporting_facts": [fact]}


def main(folder: str) -> None:
    """Write `train.jsonl`, `valid.jsonl` and `test.jsonl` into a folder."""
    rng = random.Random(0)
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 240), ("valid", 60), ("test", 200)):
        lines = [json.dumps({**story(rng), "story_id": number}) + "\n" for number in range(count)]
        (path / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

"""Makes a small data set of one's own: questions about the log of a support desk, as JSON lines.

    python examples/tickets.py examples/tickets
    dmn-keras train --dataset jsonl --data-dir examples/tickets --output runs/tickets

A story is the log of a day, of 4 to 14 entries (`--facts 30 60`: of 30 to 60); a question asks who works on a ticket,
what its state is, or which team has it now. The supporting facts are the entries that the answer follows from.

With `--new-names` tickets have numbers, and they and the agents are others in each story, as in a log of one's own. No
model can know them beforehand: `num_placeholders` makes it tell them apart.

    python examples/tickets.py examples/tickets_new_names --new-names
    dmn-keras train --dataset jsonl --data-dir examples/tickets_new_names --output runs/new --set num_placeholders=32
"""

import argparse
import json
import pathlib
import random

AGENTS = ("Amira", "Ben", "Chloe", "Dev", "Elif", "Frank")
TEAMS = ("billing", "network", "hardware", "accounts")
STATES = ("open", "waiting", "solved", "closed")
TOPICS = ("printer", "login", "invoice", "router", "laptop", "mailbox")


def new_name(rng: random.Random) -> str:
    """Return a name of two or three made-up syllables."""
    return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3))).capitalize()


def story(rng: random.Random, new_names: bool = False, num_facts: tuple[int, int] = (4, 14)) -> dict:
    """Return one record: a story of so many facts, a question about it, the answer and the supporting facts."""
    tickets = [f"the {topic} ticket" for topic in rng.sample(TOPICS, rng.randint(2, 4))]
    agents = AGENTS
    if new_names:
        tickets = [f"TCK-{number}" for number in rng.sample(range(1000, 10000), len(tickets))]
        agents = [new_name(rng) for _ in range(rng.randint(2, len(AGENTS)))]
    owner, team, state = {}, {}, {}
    facts = []
    for number in range(rng.randint(*num_facts)):
        ticket = rng.choice(tickets)
        kind = rng.randrange(3)
        if kind == 0:
            agent = rng.choice(agents)
            facts.append(rng.choice(("{} takes {}.", "{} now works on {}.")).format(agent, ticket))
            owner[ticket] = agent, number
        elif kind == 1:
            new = rng.choice(STATES)
            facts.append(f"{ticket[0].upper()}{ticket[1:]} is set to {new}.")
            state[ticket] = new, number
        else:
            place = rng.choice(TEAMS)
            facts.append(f"{ticket[0].upper()}{ticket[1:]} moves to {place}.")
            team[ticket] = place, number
    questions = [("Who works on {}?", owner), ("What is the state of {}?", state), ("Which team has {}?", team)]
    question, known = rng.choice([(text, answers) for text, answers in questions if answers])
    ticket = rng.choice(sorted(known))
    answer, fact = known[ticket]
    return {"story": facts, "question": question.format(ticket), "answer": answer, "supporting_facts": [fact]}


def main(arguments: list[str] | None = None) -> None:
    """Write `train.jsonl`, `valid.jsonl` and `test.jsonl` into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where to write the three files")
    parser.add_argument("--new-names", action="store_true", help="other tickets and agents in each story")
    parser.add_argument(
        "--facts", type=int, nargs=2, default=(4, 14), metavar=("LEAST", "MOST"), help="facts of a story"
    )
    given = parser.parse_args(arguments)
    rng = random.Random(0)
    given.folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 240), ("valid", 60), ("test", 200)):
        stories = [story(rng, given.new_names, given.facts) for _ in range(count)]
        lines = [json.dumps({**record, "story_id": number}) + "\n" for number, record in enumerate(stories)]
        (given.folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

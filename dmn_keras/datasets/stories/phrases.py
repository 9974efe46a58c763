"""The surface forms of each kind of fact; they take the fact's names in order."""

_GO = ("went to", "walked to", "moved to", "hurried to", "headed to")

FORMS = {
    # person, place
    "move": tuple(f"{{}} {go} the {{}}." for go in _GO),
    # pronoun, place
    "move on": tuple(f"{then} {{}} {go} the {{}}." for then in ("Then", "Afterwards") for go in _GO),
    # part of the day, person, place
    "move at": tuple(f"{{}} {{}} {go} the {{}}." for go in _GO),
    # person, thing
    "take": ("{} took the {}.", "{} picked up the {}.", "{} grabbed the {}."),
    "drop": ("{} dropped the {}.", "{} put down the {}.", "{} left the {} behind."),
    # giver, thing, receiver
    "give": ("{} gave the {} to {}.", "{} handed the {} to {}.", "{} passed the {} to {}."),
    # place, direction, place
    "lie": ("The {} is {} of the {}.", "The {} lies {} of the {}."),
    # person, trade
    "be": ("{} is a {}.", "{} works as a {}."),
    # trade, object
    "own": ("Every {} owns a {}.", "Each {} owns a {}."),
    # person, colour
    "wear": ("{} wears {}.", "{} is dressed in {}."),
}

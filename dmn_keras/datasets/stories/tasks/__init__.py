"""The tasks, one (or close family) a file."""

from dmn_keras.datasets.stories.tasks import (
    carrying,
    coreference,
    deduction,
    induction,
    one_supporting_fact,
    path_finding,
    three_supporting_facts,
    time,
    two_supporting_facts,
    yes_no,
)

TASKS = {
    "one-supporting-fact": one_supporting_fact.TASK,
    "two-supporting-facts": two_supporting_facts.TASK,
    "three-supporting-facts": three_supporting_facts.TASK,
    "yes-no": yes_no.TASK,
    "counting": carrying.COUNTING,
    "lists": carrying.LISTS,
    "path-finding": path_finding.TASK,
    "deduction": deduction.TASK,
    "induction": induction.TASK,
    "coreference": coreference.TASK,
    "time": time.TASK,
}

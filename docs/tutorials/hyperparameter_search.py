"""
Hyperparameter search
=====================

Searches a space of models with keras-tuner, by validation questions alone. ``tuning/search.py`` does the same on the
command line, with a budget of time, reports and workers. Run this in a checkout: ``tuning`` is a folder of it.
"""

import json
import pathlib
import tempfile

import keras_tuner

from dmn_keras import Source
from dmn_keras.datasets import stories
from tuning.hypermodel import OBJECTIVE, DMNHyperModel
from tuning.space import make_space

folder = pathlib.Path(tempfile.mkdtemp())

# %%
# The data
# --------
#
# Any data set by name. Here 200 generated stories, written as JSON lines.

for split, count in (("train", 200), ("valid", 40)):
    examples = stories.generate("one-supporting-fact", split=split, num_examples=count, num_facts=4)
    lines = [json.dumps({"story": e.story, "question": e.question, "answer": e.answer_text}) + "\n" for e in examples]
    (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
source = Source("jsonl", tasks=("all",), data_dir=str(folder))

# %%
# The space
# ---------
#
# ``small`` searches presets, sizes and rates. A preset fixes the form of the model, ``choices`` replaces the values
# of a setting, and ``base`` fixes settings.

choices = {"units": [16, 32], "num_passes": [1, 2], "learning_rate": [1e-3, 5e-3], "episode": ["soft_attention"]}
space = make_space("small", preset="fused", choices=choices, base={"epochs": 2, "num_buckets": 1})
hypermodel = DMNHyperModel(source, space)

# %%
# The search
# ----------

objective = keras_tuner.Objective(OBJECTIVE, "min")
tuner = keras_tuner.RandomSearch(hypermodel, objective, max_trials=2, seed=0, directory=folder, project_name="search")
tuner.search(verbose=0)
for trial in tuner.oracle.get_best_trials(2):
    print(f"validation error {trial.score:.1f} %:", trial.hyperparameters.values)

# %%
# The best settings as a ``RunConfig``, to train with ``dmn_keras.train`` for more epochs:

print(hypermodel.config(tuner.get_best_hyperparameters()[0]).model)

"""Named sets of settings: the models of the papers, the steps between them, and ours."""

from dmn_keras.errors import unknown_name

_PAPER_2016 = {
    "fact_encoder": "position",
    "input_fusion": True,
    "gate": "softmax",
    "embedding_scale": 3**0.5,
    "num_passes": 3,
    "dropout": 0.1,
    "learning_rate": 1e-3,
    "batch_size": 100,
    "epochs": 256,
    "max_facts": 70,
}
_READS_QUESTION = {
    "question_match": 32,
    "memory_update": "relu",
    "embedding_scale": 0.3,
    "batch_size": 64,
}
_FUSED = {**_READS_QUESTION, "fact_encoder": "position", "input_fusion": True}
_MATCHED = {**_READS_QUESTION, "fact_encoder": "sentence"}
_LINKED = {
    **_MATCHED,
    "fact_links": 2,
    "episode": "soft",
    "units": 64,
    "embedding_dim": 32,
}
_SEARCHED = {"num_passes": 2, "schedule": "cosine", "patience": 8, "solved_epochs": 2}

PRESETS = {
    "dmn_2015": {
        "fact_encoder": "story",
        "gate": "sigmoid",
        "gate_features": "dmn",
        "episode": "mix",
        "memory_update": "gru",
        "tie_weights": True,
    },
    "dmn_2": {**_PAPER_2016, "gate_features": "dmn", "episode": "soft", "memory_update": "gru", "tie_weights": True},
    "dmn_3": {
        **_PAPER_2016,
        "gate_features": "dmn_plus",
        "episode": "update",
        "memory_update": "gru",
        "tie_weights": True,
    },
    "dmn_plus": {
        **_PAPER_2016,
        "gate_features": "dmn_plus",
        "episode": "update",
        "memory_update": "relu",
        "tie_weights": False,
    },
    "fused": _FUSED,
    "matched": _MATCHED,
    "linked": _LINKED,
    "chained": {**_LINKED, "link_chains": True},
    "normed": {**_LINKED, "layer_norm": True},
    "tuned_fused": {
        **_FUSED,
        **_SEARCHED,
        "episode": "soft",
        "max_facts": 130,
        "dropout": 0.0,
        "learning_rate": 2e-3,
        "batch_size": 32,
        "num_buckets": 3,
        "epochs": 30,
    },
    "tuned_matched": {
        **_MATCHED,
        **_SEARCHED,
        "units": 64,
        "episode": "update",
        "dropout": 0.0,
        "learning_rate": 1e-3,
        "batch_size": 32,
        "num_buckets": 1,
        "epochs": 20,
    },
    "tuned_linked": {**_LINKED, **_SEARCHED, "learning_rate": 1e-3, "num_buckets": 1, "epochs": 20},
}
"""Settings of `Config` by preset.

- `dmn_2015` (Kumar et al. 2015; "ODMN" in Xiong et al. 2016): one word GRU over the story, sigmoid gates, GRU update.
- `dmn_2`, `dmn_3`, `dmn_plus` (Xiong et al. 2016, table 1): position encoding and input fusion with soft attention;
  then the attention GRU; then untied ReLU memory updates. Sizes and rates are those of the paper, which does not give
  its L2 weight.
- `fused`, `matched`, `linked`, `chained`, `normed` (ours): facts that know where the question says their words. `fused`
  reads sentences by position encoding and input fusion, for long stories whose order matters; `matched` reads each
  sentence by a word GRU, for relations between things that the question names; `linked` reads them again, twice, with
  the facts before and after that share a word, for chains of facts and for their order: it learns all tasks at once;
  `chained` with what all facts before and after that share a word wrote, for stories longer than those it learned from;
  `normed` is `linked` with facts, question and memories normalised: it often learns in fewer epochs, and from fewer
  questions.
- `tuned_fused`, `tuned_matched`, `tuned_linked`: the same forms as searches left them on bAbI's `en-10k`
  (`tuning/best/`), tasks 3, 17 and 18, and 16. Sizes, passes, dropout and rates were found; epochs, and for the long
  stories of task 3 soft attention, 130 facts and the batch, are those that the search was given.
"""


def preset(name):
    """Return the settings of a preset, a new dict.

    Args:
        name: A key of `PRESETS`.

    Raises:
        ValueError: If there is no such preset; the message names the nearest.
    """
    if name not in PRESETS:
        raise ValueError(unknown_name("preset", name, PRESETS))
    return dict(PRESETS[name])

"""Named sets of settings: the models of the papers, the steps between them, and ours."""

import pathlib

from dmn_keras.errors import unknown_name
from dmn_keras.utils.files import read_json


def merge(parts, named):
    """Merge settings: those of a later part replace those of the ones before it.

    Args:
        parts: Dicts of settings, and names of such dicts.
        named: Dict of the names to settings.
    """
    settings = {}
    for part in parts:
        settings |= named[part] if isinstance(part, str) else part
    return settings


def read_settings(content, named):
    """Return `named` settings and those that `content` makes of them, a dict of names to `parts` of `merge`."""
    named = dict(named)
    for name, parts in content.items():
        named[name] = merge(parts, named)
    return named


_READ = read_settings(read_json(pathlib.Path(__file__).with_name("presets.json")), {})
PRESETS = {name: settings for name, settings in _READ.items() if not name.startswith("_")}
"""Settings of `Config` by preset; `presets.json` holds them.

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

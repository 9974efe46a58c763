"""Position encoding (Xiong et al. 2016, section 3.1)."""

import numpy as np


def position_encoding(words, mask):
    """Words (F, W, D), mask (F, W) -> facts (F, D): f = sum_j l_j * w_j over a sentence's own M words."""
    D = words.shape[-1]
    facts = np.zeros((len(words), D))
    for f, sentence in enumerate(words):
        real = [word for word, is_real in zip(sentence, mask[f], strict=True) if is_real]
        M = len(real)
        for j, word in enumerate(real, start=1):
            for d in range(1, D + 1):
                facts[f, d - 1] += ((1 - j / M) - (d / D) * (1 - 2 * j / M)) * word[d - 1]
    return facts

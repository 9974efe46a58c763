"""The answer decoder: teacher forced, greedy, and a search over all answers there are."""

import itertools

import numpy as np

from tests.reference.gru import gru_step


def classify(m, q, weights):
    """m (U,), q (D,) -> logits (V,): W [m; q] + b."""
    return np.concatenate([m, q]) @ weights["W_a"] + weights["b_a"]


def decoder_step(previous_word, a, q, weights):
    """Previous word id, a_{t-1} (U,), q (D,) -> a_t (U,), logits (V,)."""
    x = np.concatenate([weights["L"][previous_word], q])
    a = gru_step(x, a, weights)
    return a, a @ weights["W_a"] + weights["b_a"]


def teacher_forced(m, q, answer, num_steps, start, weights):
    """Logits (T, V) with the words of `answer` as the previous ones."""
    a, logits = m, []  # a_0 = m^P
    for previous in [start, *answer[: num_steps - 1]]:
        a, y = decoder_step(previous, a, q, weights)
        logits.append(y)
    return np.array(logits)


def greedy(m, q, num_steps, start, weights):
    """Logits (T, V) with the likeliest word as the previous one."""
    a, previous, logits = m, start, []
    for _ in range(num_steps):
        a, y = decoder_step(previous, a, q, weights)
        previous = int(np.argmax(y))
        logits.append(y)
    return np.array(logits)


def until_end(words, end):
    """The words up to `end`, then 0."""
    words = list(words)
    if end not in words:
        return words
    length = words.index(end) + 1
    return words[:length] + [0] * (len(words) - length)


def log_probability(m, q, words, start, end, weights):
    """Log-probability of an answer (T,) that ends at `end`, or not at all."""
    a, previous, total = m, start, 0.0
    for word in words:
        a, y = decoder_step(previous, a, q, weights)
        total += y[word] - np.log(np.sum(np.exp(y)))
        previous = word
        if word == end:
            break
    return total


def exhaustive(m, q, num_steps, start, end, weights):
    """The likeliest of all answers of at most `num_steps` words, and its log-probability."""
    size = len(weights["b_a"])
    answers = {tuple(until_end(words, end)) for words in itertools.product(range(size), repeat=num_steps)}
    scores = {words: log_probability(m, q, words, start, end, weights) for words in answers}
    best = max(scores, key=scores.get)
    return list(best), scores[best]

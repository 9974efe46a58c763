"""Comparison of answers that were computed in different batches."""

import numpy as np
import pytest


def assert_same_answer(one, other, tolerance=1e-5):
    """Compare two `Answer`s: words, facts and counts exactly, numbers within a tolerance."""
    for name in ("answer", "facts", "unknown_words", "known", "positions", "num_facts", "num_above_threshold"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.probability == pytest.approx(other.probability, abs=tolerance)
    assert (one.confidence or 0.0) == pytest.approx(other.confidence or 0.0, abs=tolerance)
    assert len(one.gates) == len(other.gates)
    np.testing.assert_allclose(one.gates, other.gates, atol=tolerance)

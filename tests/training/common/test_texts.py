"""Texts as vectors, without a model."""

import numpy as np
import pytest

from training.common.texts import SIZE, ngrams


def test_vectors_have_length_one_and_stay_the_same():
    vectors = ngrams(["pyramid 4", "a small castle with four towers", "?!"])
    assert (vectors.shape, vectors.dtype) == ((3, SIZE), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0], abs=1e-6)
    np.testing.assert_array_equal(ngrams(["Pyramid  4!"])[0], vectors[0])  # neither case nor punctuation counts
    assert np.flatnonzero(ngrams(["a"])[0]).tolist() == [16, 320]  # "a" and "<a>": the same on every machine


def test_like_texts_are_closer_than_others():
    castle, castles, wall = ngrams(["a castle with towers", "castles with a tower", "wall 3x5"])
    assert castle @ castles > 0.5 > castle @ wall

"""Means between two log lines."""

import math

from training.telemetry.metrics import Metrics


def test_a_figure_that_is_no_number_once_leaves_the_others_their_mean():
    metrics = Metrics(("env",), (), ())
    for variance in (0.2, math.nan, 0.4):
        metrics.learn({"explained_variance": variance, "loss": 3.0})
    saved = metrics.state_dict()
    metrics = Metrics(("env",), (), ())
    metrics.load_state_dict(saved)
    figures = metrics.flush()
    assert math.isclose(figures["learner/explained_variance"], 0.3)  # (.2 + .4) / 2
    assert (figures["learner/loss"], figures["learner/updates"]) == (3.0, 3)
    metrics.learn({"explained_variance": math.nan})
    assert "learner/explained_variance" not in metrics.flush()  # nothing is known of it

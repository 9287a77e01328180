"""What learns: the run's settings, learners, replay, checkpoints, logs and the dashboard."""

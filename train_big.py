"""Train a swarm: parse -> build -> loop.

python -m train_big --num-envs 64 --total-steps 5000000 --model-size large --run-name big_run_01
"""

import logging
import sys
from collections.abc import Sequence

import numpy as np

from training.common.clock import every
from training.common.learner import NonFiniteError
from training.common.ledger import Step
from training.run import cli
from training.run.build import build
from training.run.preflight import UserError
from training.run.run import Run
from training.run.signals import StopSignals

log = logging.getLogger("pufferswarm")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 done, 2 a mistake in the call, 75 requeue, 130 and 143 stopped."""
    try:
        run = build(cli.parse(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        return cli.fail(error)
    with StopSignals(run.dashboard.restore) as signals, run:
        try:
            loop(run, signals)
            run.save()
        except NonFiniteError as error:
            log.error("%s; the batch is in %s", error, run.save_batch(error))
            return 1
        return signals.exit_code


def loop(run: Run, signals: StopSignals) -> None:
    """One decision of every row at a time until the steps are done or a signal asks to stop."""

    def stop() -> bool:
        return signals.requested is not None

    learner, ledger = run.learner, run.ledger
    if run.evaluator.pending and run.evaluate(stop):
        run.save(best=True)
    while ledger.global_step < run.config.total_steps and not stop():
        before = ledger.global_step
        with run.clock("act"):
            learner.begin()
        with run.clock("learn"):
            for figures in learner.learn():
                run.metrics.learn(figures)
        with run.clock("env"):
            step = learner.finish(run.manager.theta)
        steer(run, step)
        run.report(step)
        now = ledger.global_step
        if now >= run.config.total_steps:
            with run.clock("learn"):
                for figures in learner.learn_last():
                    run.metrics.learn(figures)
        if every(run.config.log_interval, before, now):
            run.log_line()
        best = every(run.config.evaluation.interval, before, now) and run.evaluate(stop)
        if every(run.config.video_interval, before, now):
            run.film()
        if best or every(run.config.save_interval, before, now):
            run.save(best)


def steer(run: Run, step: Step) -> None:
    """Curriculum and environments meet here and nowhere else."""
    env, manager, now = run.env, run.manager, run.ledger.global_step
    agents = env.spec.agents_per_env
    began = np.flatnonzero(step.began[::agents]).tolist()
    for event in step.events:
        state_id = manager.on_event(event, now)
        if state_id is not None and event.state is not None:
            env.add_state(state_id, event.state)
    for failure in env.poll_failures():
        manager.on_failure(failure)
    for finished in step.episodes:
        manager.on_episode(finished.episode, now)
    for index in began:
        manager.on_begin(index)
    for state_id in manager.drain_evicted():
        env.remove_state(state_id)
    for index in began:
        env.set_next_start(index, manager.next_start(index))
    pulled = manager.pull(np.flatnonzero(env.masks[::agents]).tolist())
    for index, state_id in pulled.items():
        env.set_next_start(index, state_id)
    if pulled:
        env.request_reset(np.isin(np.arange(env.num_envs), list(pulled)))
    run.want_states()


if __name__ == "__main__":
    sys.exit(main())

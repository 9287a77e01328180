"""A network on a device beside the same network on the CPU: what it says, what it learns, and how fast in which way."""

import contextlib
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from policies.actions import Distribution
from training.common.intrinsic import RND, IntrinsicConfig
from training.off_policy.dqn import DQN
from training.off_policy.replay import SequenceBatch
from training.off_policy.runner import OffPolicy
from training.on_policy.ppo import PPO
from training.on_policy.rollout import Rollout
from training.on_policy.runner import OnPolicy
from training.run.run import Run

# Largest errors in float32, as `error` measures them: rounding alone gives about 1e-6, a fault 1e-2 and more.
TOLERANCES = {"outputs": 1e-4, "losses": 1e-3, "gradients": 1e-3}
SMALL = 1e-2  # outputs below are compared with this, gradients with this share of all gradients
MASKED = -100.0  # logits below are all the same: impossible


class Work(NamedTuple):
    """What there is to do on one device, from the same weights and data as on any other."""

    act: Callable[[], dict[str, Tensor]]  # one decision of all rows
    update: Callable[[], dict[str, float]]  # one gradient step; its figures
    modules: dict[str, torch.nn.Module]  # that it trains

    def gradients(self) -> dict[str, Tensor]:
        """Of the last update, on the CPU."""
        named = {f"{name}.{key}": p for name, part in self.modules.items() for key, p in part.named_parameters()}
        return {name: parameter.grad.cpu() for name, parameter in named.items() if parameter.grad is not None}


Problem = Callable[[torch.device], Work]


# -- problems ----------------------------------------------------------------------------------------------------------
def problem(run: Run) -> Problem:
    """Something to decide on and to learn from, played by a run on the CPU that is then over."""
    learner = run.learner
    theta = np.zeros(len(run.env.spec.milestones))

    def play() -> None:
        learner.begin()
        learner.finish(theta)

    if isinstance(learner, OffPolicy):
        while not learner.replay.starts()[1].all():
            play()
        settings = learner.settings
        batch = learner.replay.sample(settings.batch_size // settings.sequence, learner.sampling)
        return _q_problem(learner, batch, run.config.intrinsic)
    assert isinstance(learner, OnPolicy)
    while not learner.full:
        play()
    learner.rollout.look_ahead(learner.rollout.values[-1])  # a stand-in for what follows
    return _ppo_problem(learner)


def _ppo_problem(learner: OnPolicy) -> Problem:
    """All that was played is one minibatch."""
    settings = replace(learner.ppo.config, update_epochs=1, num_minibatches=1)

    def work(device: torch.device) -> Work:
        policy = copy.deepcopy(learner.policy).to(device)
        rollout = Rollout(learner.env.spec, learner.env.num_agents, policy, settings.num_steps, device)
        rollout.load_state_dict(learner.rollout.state_dict())
        ppo, last = PPO(policy, settings, 0, device), rollout.num_steps - 1
        given = rollout.given(last * len(rollout.state) + torch.arange(len(rollout.state), device=device))
        state, episode_start, actions = rollout.state, rollout.episode_start[last], rollout.actions[last]

        def act() -> dict[str, Tensor]:
            distribution, values, after = policy.step(given, state, episode_start)
            told = {"log_prob": distribution.log_prob(actions), "entropy": distribution.entropy()}
            return _numbers(distribution) | told | {"values": values, "state": after}

        return Work(act, lambda: ppo.update(rollout, 0.0), {"policy": policy})

    return work


def _q_problem(learner: OffPolicy, batch: SequenceBatch, intrinsic: IntrinsicConfig) -> Problem:
    """A batch of the replay; the predictor of the curiosity learns beside the network."""
    algorithm, curiosity = learner.algorithm, learner.curiosity
    assert isinstance(algorithm, DQN)

    def work(device: torch.device) -> Work:
        dqn = DQN(copy.deepcopy(algorithm.policy), algorithm.config, device)
        moved = SequenceBatch(*(part.to(device) for part in batch))
        modules: dict[str, torch.nn.Module] = {"policy": dqn.policy}
        rnd = None
        if curiosity is not None:
            rnd = RND(learner.env.num_agents, dqn.policy.feature_size, intrinsic, device)
            rnd.load_state_dict(curiosity.rnd.state_dict())
            modules["rnd"] = rnd.predictor

        def act() -> dict[str, Tensor]:
            features = dqn.policy.encode(moved.rows[0], moved.frames[0])
            q, state = dqn.policy.step(features, moved.state, moved.episode_start[0])
            return {"features": features, "q": q, "state": state}

        def update() -> dict[str, float]:
            figures, features = dqn.update(moved)
            return figures | ({} if rnd is None else {"rnd_loss": rnd.update(features)})

        return Work(act, update, modules)

    return work


def _numbers(distribution: Distribution) -> dict[str, Tensor]:
    """What a distribution is made of."""
    return {name: value for name, value in vars(distribution).items() if isinstance(value, Tensor)}


# -- agreement ---------------------------------------------------------------------------------------------------------
def agreement(work: Problem, device: torch.device) -> Iterator[dict[str, Any]]:
    """The device against the CPU in float32: of each kind the largest error, and where it is."""
    with float32(strict=True):
        here, there = _results(work(torch.device("cpu"))), _results(work(device))
    for kind, reference in here.items():
        floor = SMALL * (_rms(torch.cat([x.flatten() for x in reference.values()])) if kind == "gradients" else 1.0)
        errors = {name: error(there[kind][name], x, floor) for name, x in reference.items()}
        worst = max(errors, key=errors.__getitem__)
        told = {"error": errors[worst], "worst": worst, "compared": len(errors), "tolerance": TOLERANCES[kind]}
        yield (
            {"what": kind} | told | {"ok": errors[worst] <= TOLERANCES[kind] and there[kind].keys() == reference.keys()}
        )


def _results(work: Work) -> dict[str, dict[str, Tensor]]:
    with torch.no_grad():
        outputs = {name: value.float().cpu().clamp(min=MASKED) for name, value in work.act().items() if value.numel()}
    losses = {name: torch.tensor(figure) for name, figure in work.update().items()}
    return {"outputs": outputs, "losses": losses, "gradients": work.gradients()}


def error(ours: Tensor, reference: Tensor, floor: float) -> float:
    """Root mean square of the difference over that of the reference, or over ``floor`` where that is larger; infinite
    where one is finite and the other is not."""
    both = ours.isfinite() & reference.isfinite()
    if not torch.equal(ours.isfinite(), reference.isfinite()):
        return float("inf")
    return _rms((ours - reference)[both]) / max(_rms(reference[both]), floor)


def _rms(x: Tensor) -> float:
    return float(x.double().square().mean().sqrt()) if x.numel() else 0.0


@contextlib.contextmanager
def float32(strict: bool) -> Iterator[None]:
    """Whether float32 products are float32: by default cuDNN rounds their factors to tf32, which keeps 10 bits."""
    flags = [(torch.backends.cudnn, torch.backends.cudnn.allow_tf32)]
    flags += [(torch.backends.cuda.matmul, torch.backends.cuda.matmul.allow_tf32)]
    try:
        for place, before in flags:
            place.allow_tf32 = before and not strict
        yield
    finally:
        for place, before in flags:
            place.allow_tf32 = before


# -- precisions of the update ------------------------------------------------------------------------------------------
def precisions(work: Problem, device: torch.device, seconds: float) -> Iterator[dict[str, Any]]:
    """An update in float32, with tf32 as torch allows it, and in bfloat16: its time, and its gradients' error."""
    reference: dict[str, Tensor] = {}
    for name in ("fp32", "tf32", "bf16"):
        if name == "tf32" and device.type != "cuda":
            yield {"what": name, "skipped": "only an NVIDIA GPU has it"}
            continue
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16")
        try:
            with float32(strict=name != "tf32"), autocast:
                ours = work(device)
                ours.update()
                gradients = ours.gradients()
                reference = reference or gradients
                flat = [
                    torch.cat([part[key].float().flatten() for key in reference]) for part in (gradients, reference)
                ]
                took = milliseconds(ours.update, device, seconds)
        except (RuntimeError, NotImplementedError) as problem:
            yield {"what": name, "skipped": _first_line(problem)}
        else:
            yield {"what": name, "ms": took, "error": error(*flat, 0.0)}


# -- ways to act -------------------------------------------------------------------------------------------------------
def ways_to_act(work: Problem, device: torch.device, seconds: float, compile_it: str) -> Iterator[dict[str, Any]]:
    """A decision as it is made now, compiled, and as a CUDA graph: its time, and its error against the first.

    Args:
        compile_it: why there is nothing to compile; empty: it is tried.
    """
    act = work(device).act
    with torch.no_grad():
        plain = _cloned(act())
        yield {"what": "eager", "ms": milliseconds(act, device, seconds), "error": 0.0}
        for name, make, reason in (("compile", _compiled, compile_it), ("graph", _captured, _no_graphs(device))):
            if reason:
                yield {"what": name, "skipped": reason}
                continue
            try:
                begin = time.perf_counter()
                quick = make(act)
                outputs = quick()
                wrong = max(error(outputs[key].float(), x.float(), SMALL) for key, x in plain.items())
                ready = time.perf_counter() - begin
                yield {"what": name, "ms": milliseconds(quick, device, seconds), "error": wrong, "prepare_s": ready}
            except TimeoutError:
                yield {"what": name, "skipped": "out of time"}
                return
            except Exception as problem:  # a compiler can fail in many ways, and none is a fault of what is compiled
                yield {"what": name, "skipped": _first_line(problem)}


def _compiled(act: Callable[[], dict[str, Tensor]]) -> Callable[[], dict[str, Tensor]]:
    torch._dynamo.reset()
    return torch.compile(act)


def _captured(act: Callable[[], dict[str, Tensor]]) -> Callable[[], dict[str, Tensor]]:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is made at the first call must not be part of the graph
        for _ in range(3):
            act()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = act()

    def replay() -> dict[str, Tensor]:
        graph.replay()
        return outputs

    return replay


def _no_graphs(device: torch.device) -> str:
    return "" if device.type == "cuda" else "only an NVIDIA GPU has graphs"


def _cloned(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in outputs.items() if value.numel()}


def _first_line(problem: Exception) -> str:
    return f"{type(problem).__name__}: {next(iter(str(problem).strip().splitlines()), '')}"[:200]


# -- clocks ------------------------------------------------------------------------------------------------------------
def milliseconds(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median of one call, waited for as whoever acts waits for the actions."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        synchronize(device)
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times[1:])  # the first one warms up


def synchronize(device: torch.device) -> None:
    """Wait for everything that was ordered."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

"""Slow twins of the learners' arithmetic: plain Python, one sequence at a time."""


def n_step_target(rewards, terminal, closing, values, gamma, n_step, k):
    """Target of record k of one sequence, from the definition."""
    target = 0.0
    for m in range(n_step):
        if closing[k + m]:
            return target + gamma**m * values[k + m]
        target += gamma**m * rewards[k + m]
        if terminal[k + m]:
            return target
    return target + gamma**n_step * values[k + n_step]


def history(frames, first, k, size):
    """The frames that a network sees at position k of one stream, oldest first."""
    seen = [frames[k]]
    at = k
    while len(seen) < size:
        if at > 0 and not first[at]:
            at -= 1
        seen.insert(0, frames[at])
    return seen

"""Quantiles of the Beta distribution, for the interval of a posterior.

Scalar and in plain Python: a table of milestones has some thirty rows and a row changes once an episode, so a
dependency on SciPy would buy nothing.
"""

from functools import lru_cache
from math import exp, lgamma, log

MAX_TERMS = 10_000  # of the continued fraction; it needs about sqrt(a + b) of them
MAX_STEPS = 60  # of Newton's method; it needs about six
PRECISION = 1e-13  # of the probability
TINY = 1e-300  # stands in for a zero denominator in Lentz's method


def cdf(a: float, b: float, x: float) -> float:
    """P(X <= x) for X ~ Beta(a, b): the regularised incomplete beta function I_x(a, b).

    I_x(a, b) = x^a (1-x)^b / (a B(a, b)) / (1 + d1/(1 + d2/(1 + ...))), which converges fast left of the mean; right
    of it the symmetry I_x(a, b) = 1 - I_{1-x}(b, a) is used.
    """
    if a <= 0 or b <= 0:
        raise ValueError(f"Beta needs positive parameters, got a={a}, b={b}")
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    log_front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)
    if x < (a + 1) / (a + b + 2):
        return exp(log_front) * _fraction(a, b, x) / a
    return 1 - exp(log_front) * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """1 / (1 + d1/(1 + d2/(1 + ...))) by Lentz's method.

    d_2m   =  m (b-m) x / ((a+2m-1) (a+2m))
    d_2m+1 = -(a+m) (a+b+m) x / ((a+2m) (a+2m+1))
    """
    c = 1.0
    d = _inverse(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, MAX_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = _inverse(1 + term * d)
            c = 1 + term / (c if abs(c) > TINY else TINY)
            change = c * d
            value *= change
        if abs(change - 1) < 1e-15:
            break
    return value


def _inverse(x: float) -> float:
    return 1 / (x if abs(x) > TINY else TINY)


@lru_cache(maxsize=65_536)
def quantile(p: float, a: float, b: float) -> float:
    """The x with P(X <= x) = p for X ~ Beta(a, b), by Newton's method, halving where a step would leave the bracket."""
    low, high, x = 0.0, 1.0, a / (a + b)
    log_front = lgamma(a + b) - lgamma(a) - lgamma(b)
    for _ in range(MAX_STEPS):
        error = cdf(a, b, x) - p
        if abs(error) < PRECISION:
            break
        low, high = (x, high) if error < 0 else (low, x)
        density = exp(log_front + (a - 1) * log(x) + (b - 1) * log(1 - x))
        x -= error / max(density, TINY)
        if not low < x < high:
            x = (low + high) / 2
    return x

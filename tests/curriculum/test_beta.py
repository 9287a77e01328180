"""The Beta distribution against tables and against the binomial sum that it equals for whole parameters."""

from math import comb

import pytest

from curriculum import beta

# 2.5% and 97.5% points, computed to 30 digits with an arbitrary-precision library.
TABLE = [
    (1, 1, 0.025, 0.975),
    (2, 1, 0.158113883008, 0.987420882907),  # F(x) = x^2: the root of p
    (1, 9, 0.0028091367466, 0.33626711688),  # F(x) = 1 - (1-x)^9
    (5, 3, 0.290420863737, 0.901011721557),
    (10, 20, 0.179383649235, 0.50832335381),
    (200, 3, 0.964693782383, 0.996926732102),
    (1, 1001, 2.52921956158e-5, 0.00367841226503),
]


@pytest.mark.parametrize(("a", "b", "low", "high"), TABLE)
def test_quantiles_of_the_table(a, b, low, high):
    assert beta.quantile(0.025, a, b) == pytest.approx(low, rel=1e-10)
    assert beta.quantile(0.975, a, b) == pytest.approx(high, rel=1e-10)


@pytest.mark.parametrize("a", [1, 2, 7, 30])
@pytest.mark.parametrize("b", [1, 3, 50])
@pytest.mark.parametrize("x", [0.001, 0.2, 0.5, 0.93])
def test_cdf_is_a_binomial_tail(a, b, x):
    """For whole a, b: I_x(a, b) = P(Binomial(a+b-1, x) >= a)."""
    n = a + b - 1
    tail = sum(comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert beta.cdf(a, b, x) == pytest.approx(tail, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(("a", "b"), [(1e6, 1e6), (1e6, 2.0), (3.0, 4e4)])
def test_quantile_inverts_the_cdf_after_millions_of_episodes(a, b):
    for p in (0.025, 0.5, 0.975):
        assert beta.cdf(a, b, beta.quantile(p, a, b)) == pytest.approx(p, abs=1e-9)


def test_edges():
    assert beta.cdf(2, 3, -1) == 0
    assert beta.cdf(2, 3, 0) == 0
    assert beta.cdf(2, 3, 1) == 1
    with pytest.raises(ValueError, match="positive"):
        beta.cdf(0, 1, 0.5)

"""Whether a share of bad answers is too large: a sequential test, so that looking often is no way to be wrong.

Wald's sequential probability ratio test (A. Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical
Statistics 16(2), 1945, pages 117-186) of p0 against p1. Under p0 the ratio of likelihoods is a martingale of mean 1, so
that by Ville's inequality (J. Ville, "Étude critique de la notion de collectif", 1939) it ever reaches 1/alpha with
probability alpha at most, and under p1 it ever falls to beta with probability beta at most: at however many looks, and
also when somebody goes on looking. Below p0 and above p1 both are rarer still.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Literal

# Over all steps and limits of a release together: that a version as good as it may be is rolled back.
ALPHA = 0.05
# At each step: that one as bad as it may not be is let on.
BETA = 0.05
# A 95th percentile is over a limit where more than so many are.
LATE_SHARE = 0.05
# The normal quantile for one-sided 97.5 %.
_Z = 1.959964

Verdict = Literal["good", "bad", "open"]


@dataclass(frozen=True, kw_only=True)
class Hypotheses:
    """Shares: a version with `good` or less is to pass, one with `bad` or more is not."""

    good: float
    bad: float


def hypotheses(limit: float, stable_bad: int, stable_count: int) -> Hypotheses:
    """For a limit: half of it is good. Where the stable version is surely worse than that, as bad as it is good: what
    both suffer from is not the new one's fault."""
    good = max(limit / 2, _surely_above(stable_bad, stable_count))
    return Hypotheses(good=good, bad=min(2 * good, (1 + good) / 2))


@dataclass(frozen=True, kw_only=True)
class Weight:
    """The logarithm of the ratio of likelihoods between its two bounds."""

    ratio: float
    passes_at: float
    ends_at: float

    @property
    def verdict(self) -> Verdict:
        if self.ratio >= self.ends_at:
            return "bad"
        return "good" if self.ratio <= self.passes_at else "open"


def weighed(bad: int, count: int, between: Hypotheses, alpha: float, beta: float = BETA) -> Weight:
    """Of `count` answers, `bad` of which were."""
    ratio = bad * log(between.bad / between.good) + (count - bad) * log((1 - between.bad) / (1 - between.good))
    return Weight(ratio=ratio, passes_at=log(beta), ends_at=log(1 / alpha))


def verdict(bad: int, count: int, between: Hypotheses, alpha: float, beta: float = BETA) -> Verdict:
    """Whether that is enough for either."""
    return weighed(bad, count, between, alpha, beta).verdict


def _surely_above(bad: int, count: int) -> float:
    """The lower end of the interval for a share (E. B. Wilson, "Probable Inference", Journal of the American
    Statistical Association 22, 1927, pages 209-212): few answers say little."""
    if not count:
        return 0.0
    share, square = bad / count, _Z * _Z
    middle = share + square / (2 * count)
    around = _Z * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, (middle - around) / (1 + square / count))

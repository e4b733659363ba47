"""The kappa that asks how each annotator uses the options, so it needs the table of voters."""

import numpy as np

from labels.agreement import formulas
from labels.agreement.measures import NO_PAIRS, NO_VARIATION, Coefficient
from labels.votes import VoterTable

NO_INTERVAL = "its interval is not computed"
UNKNOWN = "some votes have no known annotator"


def conger_kappa(table: VoterTable) -> Coefficient:
    """Conger's kappa of R annotators who may miss units; of two who both voted on all units it is Cohen's kappa.

    (p_a - p_e) / (1 - p_e) with p_e = sum_k (mean_k^2 - s_k^2 / R), where mean_k and s_k^2 are the mean and the sample
    variance over annotators of their share of option k (Conger 1980; missing votes: Gwet 2014, chapter 2).
    """
    patterns = table.patterns
    cast = np.zeros((len(table.annotators), len(patterns.options)))
    np.add.at(cast, (table.annotator, table.option), table.count)
    cast = cast[cast.sum(axis=1) > 0]
    value, reason = None, None
    if table.n_unknown:
        reason = UNKNOWN
    elif not patterns.n_pairable:
        reason = NO_PAIRS
    else:
        shares = cast / cast.sum(axis=1, keepdims=True)
        by_chance = float((shares.mean(axis=0) ** 2 - shares.var(axis=0, ddof=1) / len(shares)).sum())
        weights = patterns.multiplicity[None, :].astype(float)
        agreed = float(formulas.percent_agreement(patterns.counts.astype(float), weights)[0])
        if 1 - by_chance > formulas.ZERO:
            value = (agreed - by_chance) / (1 - by_chance)
        else:
            reason = NO_VARIATION
    n_annotators = None if table.n_unknown else len(cast)
    interval = None, None, None, reason or NO_INTERVAL
    return Coefficient("conger_kappa", value, reason, *interval, patterns.n_pairable, patterns.n_votes, n_annotators)

"""How far voters agree: from count patterns, and with the table of voters how far that depends on who they were.

``measure``, ``measure_tag`` and ``measure_tag_sets`` give the published sets; formulas.py has each coefficient with its
source, intervals.py the standard errors. Pure numpy, no Django.
"""

from labels.agreement.formulas import AgreementError, Formula, Level
from labels.agreement.intervals import student_95, wilson, without_each_annotator
from labels.agreement.measures import (
    Coefficient,
    Measure,
    base_measures,
    describe_corpus,
    items_interval,
    measure,
    measure_all,
    measure_tag,
    measure_tag_sets,
    prevalence,
    specific_agreement,
    tag_measures,
    tag_set_measures,
)
from labels.agreement.raters import conger_kappa

__all__ = [
    "AgreementError",
    "Coefficient",
    "Formula",
    "Level",
    "Measure",
    "base_measures",
    "conger_kappa",
    "describe_corpus",
    "items_interval",
    "measure",
    "measure_all",
    "measure_tag",
    "measure_tag_sets",
    "prevalence",
    "specific_agreement",
    "student_95",
    "tag_measures",
    "tag_set_measures",
    "wilson",
    "without_each_annotator",
]

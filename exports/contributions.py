"""Which releases hold votes of one person, for their page of progress."""

from __future__ import annotations

from django.urls import reverse

from annotate.models import Annotator
from annotate.progress import InRelease
from annotate.statements import rows
from exports import derivation
from exports.models import Snapshot
from exports.statements import AVAILABLE, ORIGIN
from sources.models import UNKNOWN_LICENSE

# As statements.LINES has it, of one person and all releases at once: up to the cut, of the campaigns of the release,
# not surplus, not replaced up to the cut. On an instruction that is in several of the campaigns they are one reader.
# What has no line, since its text has left or no source that gave it by then has a known licence, is in no release;
# what its filters left out is in no line either, which the votes of all its readers decide.
VOTES = f"""
    SELECT answer.release, array_agg(answer.instruction_id) FROM (
        SELECT DISTINCT release.id AS release, unit.instruction_id,
               (release.settled ->> 'given_until')::timestamptz AS given_until
        FROM annotate_annotation vote
        JOIN annotate_unit unit ON unit.id = vote.unit_id
        JOIN exports_snapshot_campaigns chosen ON chosen.campaign_id = unit.campaign_id
        JOIN exports_snapshot release ON release.id = chosen.snapshot_id AND release.state = 'finished'
        WHERE vote.annotator_id = %(annotator)s AND vote.id <= release.cut
          AND vote.choice_id IS NOT NULL AND NOT vote.surplus
          AND NOT EXISTS (
            SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = vote.id AND later.id <= release.cut)
    ) answer WHERE {AVAILABLE} AND EXISTS ({ORIGIN})
    GROUP BY answer.release
"""  # noqa: S608 - made of constants


def of_person(annotator: Annotator) -> list[InRelease]:
    """The published releases with votes of ``annotator``, the highest version first, with how many."""
    voted: dict[int, list[int]] = dict(rows(VOTES, {"annotator": annotator.pk, "unknown": UNKNOWN_LICENSE}))
    releases = Snapshot.objects.published().filter(pk__in=voted).defer("statistics")
    counted = [(found, derivation.lines_of(found, voted[found.pk])) for found in releases]
    return [InRelease(found.version, reverse("release", args=[found.version]), n) for found, n in counted if n]

"""Who is missing: languages and topics of a campaign's open units, and how many people there are to read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from annotate.models import Campaign

# Who has submitted something in so many days is counted as somebody who comes.
RECENT = timedelta(days=30)

OPEN = """
    SELECT unit.language, unit.topics, count(*), sum(unit.overlap - unit.taken)
    FROM annotate_unit unit
    WHERE unit.campaign_id = %(campaign)s AND unit.taken < unit.overlap AND NOT unit.is_withdrawn
    GROUP BY unit.language, unit.topics
"""
READERS = """
    SELECT person.languages, person.avoided_topics, count(*) FROM annotate_annotator person
    WHERE person.is_active AND person.kind = 'human'
      AND EXISTS (SELECT 1 FROM annotate_assignment said
                  WHERE said.annotator_id = person.id AND said.ended_at > %(since)s AND said.state = 'submitted')
      AND (NOT EXISTS (SELECT 1 FROM annotate_campaign_groups invited WHERE invited.campaign_id = %(campaign)s)
           OR EXISTS (SELECT 1 FROM annotate_campaign_groups invited
                      JOIN annotate_annotator_groups member USING (group_id)
                      WHERE invited.campaign_id = %(campaign)s AND member.annotator_id = person.id))
    GROUP BY person.languages, person.avoided_topics
"""


@dataclass(frozen=True, slots=True)
class Need:
    """What is open of one language or one topic, and how many people came lately who would be given it."""

    name: str
    units: int
    slots: int
    readers: int

    @property
    def slots_each(self) -> float:
        """Open slots for each reader; without a reader more than with any number of them."""
        return self.slots / self.readers if self.readers else float("inf")


@dataclass(frozen=True, slots=True)
class Missing:
    """The needs of a campaign by language and by topic, the most starved first."""

    languages: list[Need]
    topics: list[Need]


def look(campaign: Campaign, now: datetime) -> Missing:
    """Count what is open and who reads it; a text in several topics is counted in each."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN, {"campaign": campaign.pk})
        open_units = cursor.fetchall()
        cursor.execute(READERS, {"campaign": campaign.pk, "since": now - RECENT})
        readers = cursor.fetchall()

    def reading(language: str) -> int:
        return sum(n for reads, _, n in readers if not reads or not language or language in reads)

    def not_avoiding(topic: str) -> int:
        return sum(n for _, avoids, n in readers if topic not in avoids)

    by_language = {name for name, _, _, _ in open_units}
    by_topic = {topic for _, topics, _, _ in open_units for topic in topics}
    languages = [
        _need(name, [row for row in open_units if row[0] == name], reading(name)) for name in sorted(by_language)
    ]
    topics = [
        _need(topic, [row for row in open_units if topic in row[1]], not_avoiding(topic)) for topic in sorted(by_topic)
    ]
    return Missing(_starved_first(languages), _starved_first(topics))


def _need(name: str, rows: list[tuple[str, list[str], int, int]], readers: int) -> Need:
    return Need(name, sum(units for _, _, units, _ in rows), sum(slots for _, _, _, slots in rows), readers)


def _starved_first(needs: list[Need]) -> list[Need]:
    return sorted(needs, key=lambda need: (-need.slots_each, -need.slots, need.name))

"""Small worlds for tests: named people, a source, an open campaign."""

import uuid

from annotate import annotations, assignments, campaigns, care
from annotate.annotations import Answer, Outcome
from annotate.models import Annotation, Annotator, Assignment, Campaign, Participation, Unit
from labels import loading
from sources import texts
from sources.models import ImportRun, Instruction, Provenance, Source
from sources.rows import Turn


def source(name: str = "letters", license_: str = "CC-BY-4.0") -> Source:
    return Source.objects.get_or_create(name=name, revision="1", defaults={"license": license_})[0]


def instructions(origin: Source, dialogues: list[list[Turn]]) -> list[Instruction]:
    run = ImportRun.objects.create(source=origin, format="columns", origin="letters.jsonl", state="finished")
    made = Instruction.objects.bulk_create(
        Instruction(digest=texts.digest(turns), turns=turns, language="en") for turns in dialogues
    )
    Provenance.objects.bulk_create(
        Provenance(instruction=instruction, source=origin, run=run, row=f"line {number}")
        for number, instruction in enumerate(made, start=1)
    )
    return made


def says(text: str) -> list[Turn]:
    """A dialogue in which a person says one thing."""
    return [{"role": "human", "text": text}]


def campaign(units: int = 3, overlap: int = 3, slug: str = "kindness") -> Campaign:
    """An open campaign over ``units`` instructions of its own."""
    origin = source(f"{slug}-letters")
    instructions(origin, [says(f"Letter {number} to {slug}") for number in range(units)])
    return opened(origin, overlap=overlap, slug=slug)


def opened(origin: Source, overlap: int = 3, slug: str = "kindness", **fields: object) -> Campaign:
    chosen = loading.load_shipped_set(str(fields.pop("label_set", "oig-safety")))
    made = Campaign.objects.create(slug=slug, title=slug.title(), overlap=overlap, label_set=chosen, **fields)
    made.sources.add(origin)
    campaigns.request_opening(made)
    assert campaigns.open_requested(made.pk)
    made.refresh_from_db()
    return made


def person(name: str, *, is_active: bool = True, is_staff: bool = False) -> Annotator:
    """Somebody with an account, who agreed to read; staff may do everything in admin."""
    return Annotator.objects.create_user(
        name,
        password=f"password of {name}",
        is_active=is_active,
        is_staff=is_staff,
        is_superuser=is_staff,
        consented=care.CONSENT,
    )


def claimed(annotator: Annotator, where: Campaign) -> Assignment:
    """The next assignment, which there must be."""
    assignment = assignments.claim_next(annotator, where)
    assert assignment is not None
    return assignment


def say(
    assignment: Assignment,
    choice: str = "casual",
    tags: dict[str, bool] | None = None,
    key: uuid.UUID | None = None,
    revises: int | None = None,
) -> Outcome:
    answer = Answer(choice, tags or {}, revises=revises)
    return annotations.submit(assignment.annotator, assignment.pk, answer, key or uuid.uuid4())


def revise(said: Annotation, choice: str = "casual", tags: dict[str, bool] | None = None) -> Outcome:
    """Change an earlier answer."""
    assert said.assignment is not None
    return say(said.assignment, choice, tags, revises=said.pk)


def vote(annotator: Annotator, where: Campaign, choice: str = "casual") -> Assignment:
    assignment = claimed(annotator, where)
    assert say(assignment, choice) == Outcome.SAVED
    return assignment


def problems(where: Campaign) -> list[str]:
    """What is wrong with the campaign's slots; empty if every promise about them holds.

    Counted afresh from the rows, without ``Unit.taken``, which is itself among the things that are checked.
    """
    found = []
    for unit in Unit.objects.filter(campaign=where):
        live = Assignment.objects.live().filter(unit=unit, is_check=False)
        counted = Annotation.objects.counted().filter(unit=unit)
        voters = [annotation.annotator_id for annotation in counted]
        if len(set(voters)) != len(voters):
            found.append(f"{unit}: somebody has two counted annotations")
        if live.count() + len(voters) > unit.overlap:
            found.append(f"{unit}: {live.count()} leases and {len(voters)} annotations for {unit.overlap} slots")
        if unit.taken != live.count() + len(voters):
            found.append(f"{unit}: says {unit.taken} slots are taken, but {live.count()} + {len(voters)} are")
        submitted = set(Assignment.objects.submitted().filter(unit=unit).values_list("annotator_id", flat=True))
        if submitted != set(voters):
            found.append(f"{unit}: submitted assignments and counted annotations are of different people")
    for joined in Participation.objects.filter(campaign=where):
        votes = Annotation.objects.counted().filter(unit__campaign=where, annotator=joined.annotator).count()
        if joined.votes != votes:
            found.append(f"{joined}: says {joined.votes} votes, but {votes} count")
    return found

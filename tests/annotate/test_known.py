from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotate import known
from annotate.errors import KnownAnswersRefused
from annotate.models import Annotator, Campaign, KnownAnswer, Unit
from labels import loading
from labels.models import Label
from sources.models import Instruction, InstructionState
from tests.annotate import worlds

pytestmark = pytest.mark.django_db

GOLD = KnownAnswer.Phase.GOLD
CASUAL, CAUTION = 0, 1
TABLE = "/admin/annotate/knownanswer/table/"


@pytest.fixture
def kindness() -> Campaign:
    return worlds.campaign(units=3)


@pytest.fixture
def root() -> Annotator:
    return worlds.person("root", is_staff=True)


def units(campaign: Campaign) -> list[Unit]:
    return list(Unit.objects.filter(campaign=campaign).order_by("pk"))


def gold(campaign: Campaign) -> dict[int, int]:
    found = known.gold(campaign)
    return dict(zip(found.unit.tolist(), found.option.tolist(), strict=True))


def option(code: str, label_set: str = "oig-safety") -> Label:
    return loading.load_shipped_set(label_set).labels.get(code=code)


def test_it_reads_units_by_id_and_by_public_id_and_answers_by_code_and_by_name(
    kindness: Campaign, root: Annotator
) -> None:
    one, two, _ = units(kindness)
    written = f'unit,choice,explanation\n{one.pk},needs-caution,\n\n{two.instruction.public_id},Casual,"a, greeting"\n'
    assert known.add(kindness, known.read(written), GOLD, root) == (2, 0, 0)
    found = KnownAnswer.objects.gold().of(kindness).order_by("unit")
    assert [(a.unit, a.choice.code, a.explanation, a.added_by) for a in found] == [
        (one, "needs-caution", "", root),
        (two, "casual", "a, greeting", root),
    ]
    assert gold(kindness) == {one.pk: CAUTION, two.pk: CASUAL}


def test_adding_again_changes_what_is_written_differently(kindness: Campaign, root: Annotator) -> None:
    one, two, _ = units(kindness)
    known.add(kindness, known.read(f"{one.pk},casual\n{two.pk},casual"), GOLD, None)
    assert known.add(kindness, known.read(f"{one.pk},casual\n{two.pk},needs-caution"), GOLD, root) == (0, 1, 1)
    assert gold(kindness) == {one.pk: CASUAL, two.pk: CAUTION}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "the table is empty"),
        ("unit,choice", "the table is empty"),
        ("1", "line 1: has 1 cells; write unit,choice,explanation"),
        ("1,casual,why,more", "line 1: has 4 cells"),
        (",casual", "line 1: has 2 cells"),
        ("{unit},casual\n999999,casual", "line 2: Kindness has no unit '999999'; give the id of one of its units"),
        (f"{'ab' * 16},casual", "has no unit 'abab"),
        ("{unit},severe", "line 1: 'severe' is no answer; they are casual, needs caution, needs intervention"),
        ("{unit},casual\n{digest},casual", "line 2: names a unit that another line names"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_added(kindness: Campaign, written: str, why: str) -> None:
    unit = units(kindness)[0]
    with pytest.raises(KnownAnswersRefused, match=why):
        known.add(kindness, known.read(written.format(unit=unit.pk, digest=unit.instruction.public_id)), GOLD, None)
    assert not KnownAnswer.objects.exists()


def test_units_of_another_campaign_are_not_found(kindness: Campaign) -> None:
    [other] = units(worlds.campaign(units=1, slug="other"))
    with pytest.raises(KnownAnswersRefused, match="has no unit"):
        known.add(kindness, known.read(f"{other.pk},casual"), GOLD, None)


def test_gold_of_a_withdrawn_text_is_not_read(kindness: Campaign) -> None:
    one, two, _ = units(kindness)
    known.add(kindness, known.read(f"{one.pk},casual\n{two.pk},casual"), GOLD, None)
    Instruction.objects.filter(pk=one.instruction_id).update(state=InstructionState.SET_ASIDE)
    assert gold(kindness) == {two.pk: CASUAL}
    KnownAnswer.objects.update(phase=KnownAnswer.Phase.PRACTICE)
    assert gold(kindness) == {}


def test_an_answer_is_one_of_the_campaign(kindness: Campaign) -> None:
    unit = units(kindness)[0]
    KnownAnswer(unit=unit, choice=option("casual"), tags={"hate": True}).clean()
    with pytest.raises(ValidationError, match=f"The answers of {kindness.label_set} are casual"):
        KnownAnswer(unit=unit, choice=option("casual", "oig-safety-direct")).clean()
    with pytest.raises(ValidationError, match="The answers of"):
        KnownAnswer(unit=unit, choice=option("hate")).clean()
    for tags in ({"kind": True}, {"hate": "yes"}, ["hate"]):
        with pytest.raises(ValidationError, match="has the tags abuse-related"):
            KnownAnswer(unit=unit, choice=option("casual"), tags=tags).clean()


def test_a_curator_adds_one_and_a_table(kindness: Campaign, root: Annotator, client: Client) -> None:
    client.force_login(root)
    one, two, three = units(kindness)
    form = {"unit": one.pk, "choice": option("casual").pk, "tags": "{}", "phase": "gold", "explanation": "a greeting"}
    assert client.post("/admin/annotate/knownanswer/add/", form).status_code == 302
    assert KnownAnswer.objects.get().added_by == root
    page = client.get("/admin/annotate/knownanswer/?q=greeting").content.decode()
    assert "casual" in page
    assert str(one.instruction) not in page
    assert TABLE in page

    def sent(content: bytes) -> str:
        file = SimpleUploadedFile("gold.csv", content)
        return client.post(
            TABLE, {"campaign": kindness.pk, "phase": "gold", "file": file}, follow=True
        ).content.decode()

    assert "1 known answers added, 1 changed, 0 there before" in sent(f"{one.pk},casual\n{two.pk},casual".encode())
    assert "line 2: &#x27;kind&#x27; is no answer" in sent(f"{three.pk},casual\n{two.pk},kind".encode())
    assert "Byte 0 is not UTF-8" in sent(b"\xff\xfe")
    assert "the table is empty" in sent(b"\n")
    assert not KnownAnswer.objects.filter(unit=three).exists()


def test_only_who_may_add_and_change_sends_a_table(client: Client) -> None:
    ada = worlds.person("ada")
    Annotator.objects.filter(pk=ada.pk).update(is_staff=True)
    client.force_login(Annotator.objects.get(pk=ada.pk))
    assert client.get(TABLE).status_code == 403

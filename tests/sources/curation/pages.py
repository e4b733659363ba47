"""What tests of curators' pages share: texts, and how the pages are asked for and read."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from sources.models import Instruction, Provenance, Source
from tests.annotate import worlds

LIST = "/admin/sources/instruction/"
HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}"
SECRET = "zanzibar"
CALL = "Call +1 212 555 0123 or write to fenna@example.org"


def given(source: Source, *texts: str, **fields: Any) -> list[Instruction]:
    """Instructions of these texts; ``fields`` are of the provenance."""
    made = worlds.instructions(source, [worlds.says(text) for text in texts])
    for one, text in zip(made, texts, strict=True):
        one.characters = len(text)
        one.save(update_fields=["characters"])
    if fields:
        Provenance.objects.filter(source=source, instruction__in=made).update(**fields)
    return made


def page_of(one: Any) -> str:
    return reverse(f"admin:sources_{one._meta.model_name}_change", args=[one.pk])


def shown(admin: Client, address: str) -> str:
    answer = admin.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def listed(admin: Client, query: str) -> list[int]:
    """The ids of the list, in its order."""
    answer = admin.get(LIST + query)
    assert answer.status_code == 200
    return [one.pk for one in answer.context["cl"].result_list]


def act(admin: Client, action: str, *chosen: Instruction, query: str = "", **more: Any) -> str:
    form = {"action": action, "_selected_action": [one.pk for one in chosen], "index": 0, **more}
    return admin.post(LIST + query, form, follow=True).content.decode()


def states() -> list[int]:
    return list(Instruction.objects.order_by("pk").values_list("state", flat=True))

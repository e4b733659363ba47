"""The forms that start imports and augmentations, as a browser sends them."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from sources.models import Source

HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}"
ADD, AUGMENT, ABOUT = (f"/admin/sources/importrun/{page}/" for page in ("add", "augment", "about"))


def upload(content: bytes = b"prompt\nHello\n", name: str = "../my file.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def form_of(chosen: Source | None, **change: Any) -> dict[str, Any]:
    base = {"source": chosen.pk if chosen else "", "format": "columns", "options": "text=prompt", "upload": upload()}
    return {**base, **change}


def errors(page: Any) -> dict[str, str]:
    """What stands at each field."""
    found = page.context["adminform"].form.errors
    return {field: " ".join(said) for field, said in found.items()}

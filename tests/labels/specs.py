"""Label sets for tests: small ones that say what they are, and the shipped ones."""

from labels import taxonomy
from labels.taxonomy import LabelSetSpec, LabelSpec

SHIPPED = {path.stem: taxonomy.read(path) for path in taxonomy.shipped()}
OIG_SAFETY = SHIPPED["oig-safety"]
FIVE_OPTIONS = SHIPPED["oig-safety-direct"]


def label(name: str, key: str) -> LabelSpec:
    """A label with that name and nothing to say."""
    texts = ("one", "two")
    return LabelSpec(
        name.replace(" ", "-"), name, key, "#1b6e3c", "#6fd08c", "A definition.", "A guideline.", texts, texts
    )


def small(title: str = "Small", revision: int = 1, tags: str = "") -> LabelSetSpec:
    """Two options by their median, and a tag for every letter of ``tags``."""
    options = (label("fine", "1"), label("not fine", "2"))
    return LabelSetSpec(
        name="small",
        revision=revision,
        title=title,
        question="Is it fine?",
        ordinal=True,
        rule="median",
        published=("fine", "not fine"),
        options=options,
        tags=tuple(label(f"tag {letter}", letter) for letter in tags),
    )

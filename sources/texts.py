"""Texts of instructions: one shape, one digest, and what is refused (pure, no Django).

Everything that a person could have written is taken as it is: markup, templates, bidirectional controls. Only what
cannot be stored or shown, or nobody could read, is refused.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted

from sources.rows import Turn

HUMAN, BOT = "human", "bot"
DIGEST_BYTES = 16

# How OIG writes who speaks, at the start of a line. A text is read with one family of marks, never with both: inside a
# text marked <human>: and <bot>: a line that begins with "User:" is what somebody said.
ANGLE_MARKS = {"<human>": HUMAN, "<bot>": BOT}
WORD_MARKS = {"User": HUMAN, "Assistant": BOT}
_ANGLE = re.compile(r"^[ \t]*(<human>|<bot>)[ \t]*:", re.MULTILINE)
_WORD = re.compile(r"^[ \t]*(User|Assistant)[ \t]*:", re.MULTILINE)

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))


def normalise(turns: Sequence[Turn]) -> list[Turn]:
    """The turns as they are stored: line ends as ``\\n``, no white space around a text, no turn without a text."""
    stripped = [(turn["role"], _lines(turn["text"]).strip()) for turn in turns]
    return [Turn(role=role, text=text) for role, text in stripped if text]


def digest(turns: Sequence[Turn], conversation: str = "") -> bytes:
    """BLAKE2b-128 of roles and texts, in NFC and with every run of white space as one blank.

    Texts that differ only in these have one digest. ``conversation`` tells equal words in two conversations apart.
    """
    # JSON marks where a text ends, so no text can be written that reads as two turns.
    said = ", ".join(f"[{quoted(turn['role'])}, {quoted(_spaced(turn['text']))}]" for turn in turns)
    content = f"[[{said}], {quoted(conversation)}]" if conversation else f"[[{said}]]"
    return hashlib.blake2b(content.encode("ascii"), digest_size=DIGEST_BYTES).digest()


def text_digest(text: str) -> bytes:
    """SHA-256 of one text in UTF-8, normalised as for ``digest``: the form in which lists of texts are exchanged."""
    return hashlib.sha256(_spaced(text).encode()).digest()


def _spaced(text: str) -> str:
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")  # what the line below would give, in a fifth of the time
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def oig_text(turns: Sequence[Turn]) -> str:
    """The turns as OIG writes them: ``<human>: ...`` and ``<bot>: ...``, each from the start of a line."""
    return "\n".join(f"<{turn['role']}>: {turn['text']}" for turn in turns)


def parse_oig(text: str) -> list[Turn]:
    """The turns of a text in OIG's form; one human turn where it has no marks.

    What stands before the first mark (OIG puts background passages there) is a human turn of its own. Texts without
    marks, and those in which question and answer alternate (nearly all of OIG), need no regular expression.
    """
    text = _lines(text).strip()
    if "<human>" not in text and "<bot>" not in text:
        if not text.startswith(("User", "Assistant")):
            return [{"role": HUMAN, "text": text}] if text else []
    elif text.startswith("<human>:") and (turns := _alternating(text)):
        return turns
    return _marked_turns(text)


def _alternating(text: str) -> list[Turn]:
    """The turns of a text in which each question has at most one answer; none where a mark stands anywhere else."""
    turns: list[Turn] = []
    questions, answers = text[8:].split("\n<human>:"), 0
    for question in questions:
        said, mark, reply = question.partition("\n<bot>:")
        if said := said.strip():
            turns.append({"role": HUMAN, "text": said})
        if mark:
            answers += 1
            if reply := reply.strip():
                turns.append({"role": BOT, "text": reply})
    return turns if text.count("<human>") == len(questions) and text.count("<bot>") == answers else []


def _marked_turns(text: str) -> list[Turn]:
    before, *parts = _ANGLE.split(text)
    roles = ANGLE_MARKS
    if not parts and _WORD.match(text):
        (before, *parts), roles = _WORD.split(text), WORD_MARKS
    turns: list[Turn] = [{"role": HUMAN, "text": before}] if before else []
    for mark, said in zip(parts[::2], parts[1::2], strict=True):
        turns.append({"role": roles[mark], "text": said})
    return [{"role": turn["role"], "text": said} for turn in turns if (said := turn["text"].strip())]


def refusal(turns: Sequence[Turn], max_characters: int, max_turns: int) -> tuple[str, str] | None:
    """Why the turns cannot be an instruction, as a short reason and a sentence with the remedy; None if they can."""
    if len(turns) > max_turns:
        return "too many turns", f"has {len(turns):,} turns, more than {max_turns:,}: split it or raise the limit"
    if (characters := length(turns)) > max_characters:
        return "too long", f"has {characters:,} characters, more than {max_characters:,}: shorten it or raise the limit"
    for number, turn in enumerate(turns, start=1):
        if problem := unstorable(turn["text"]):
            return problem, f"turn {number} has a {problem}: remove it from the text"
    if not _are_visible(turns):
        return "empty", "has no visible text: remove the row or name another column"
    return None


def length(turns: Sequence[Turn]) -> int:
    """The characters of all turns together."""
    characters = 0
    for turn in turns:
        characters += len(turn["text"])
    return characters


def unstorable(text: str) -> str | None:
    """The name of a character that no database and no UTF-8 file can hold; None where there is none."""
    if "\0" in text:
        return "NUL character"
    return "lone surrogate" if not text.isascii() and _SURROGATE.search(text) else None


def printable(text: str, longest: int = 500) -> str:
    """``text`` on one line, with what no terminal or database takes written as escapes, cut at ``longest``."""
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _are_visible(turns: Sequence[Turn]) -> bool:
    # Loops, not generators: nearly always the first character decides, a million times.
    for turn in turns:
        for character in turn["text"]:
            if unicodedata.category(character) not in _INVISIBLE:
                return True
    return False

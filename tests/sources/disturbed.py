"""What tests of kills share: files with all that an import may meet, all that it wrote, and servers that are killed."""

import csv
import gzip
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pyarrow
import zstandard
from django.conf import settings
from django.db import connection
from pyarrow import parquet

from annotate.models import Annotation, Participation, Unit
from config import local, servers
from sources import imports
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, PersonalFinding, Provenance, Screening, Source
from tests.processes import wait_until

WORDS = ("how", "ask", "my", "friend", "about", "the", "garden", "when", "nobody", "reads", "what", "was", "written")
LANGUAGES = ("en", "de", "fr")
ABUSE = ("is_abuse.1", "is_abuse.0", "is_abuse.-1", "is_abuse.-2", "is_abuse.-3")

type Write = Callable[[Path, Random, int], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of import: what writes its file, its format, and what is made of the instructions afterwards."""

    name: str
    format: str
    write: Write
    options: dict[str, str] = field(default_factory=dict)
    augmenter: str = ""

    def file(self, folder: Path, seed: int, rows: int) -> Path:
        """Its file with so many rows; the same seed gives the same bytes."""
        path = folder / self.name
        self.write(path, Random(f"{self.name} {seed}"), rows)
        return path

    def begin(self, path: Path) -> ImportRun:
        """The import of ``path``; of a case with an augmenter the augmentation of what was imported before."""
        if self.augmenter:
            into = Source(name="made", license="MIT", augments=source())
            return imports.augment(source(), self.augmenter, into)
        return imports.start(source(), self.format, origin=path, options=self.options)


def source() -> Source:
    """The source of every import here."""
    return Source.objects.get_or_create(name="invented", license="MIT")[0]


def texts(random: Random, rows: int) -> Iterator[str]:
    """Texts of which every eighth repeats one before it, some with other blanks; every twentieth has an address."""
    for number in range(rows):
        same = random.randrange(number) if number and random.random() < 0.125 else number
        told = Random(f"{rows} {same}")
        to = f" Write to anna{same}@example.org." if same % 20 == 0 else ""
        text = f"{same}: {' '.join(told.choices(WORDS, k=told.randint(10, 40)))}.{to}"
        yield text.replace(":", ": ") if same != number and random.random() < 0.3 else text


def dialogues(random: Random, rows: int) -> Iterator[str]:
    """Dialogues of OIG, several with one beginning and some of them whole repeats; every hundredth is refused."""
    for number, text in enumerate(texts(random, rows)):
        told = text.split(":")[0]
        begins = f"<human>: hello {int(told) % (rows // 4)}\n<bot>: yes?\n"
        yield "" if number % 100 == 99 else f"{begins}<human>: {text}\n<bot>: Thank you.\n<human>: bye {told}"


def lines(path: Path, random: Random, rows: int) -> None:
    """Lines of OIG; some of them are broken."""
    with path.open("w") as file:
        for number, text in enumerate(dialogues(random, rows)):
            written = json.dumps({"text": text, "metadata": {"n": number}})
            file.write((written[:-4] if number % 150 == 149 else written) + "\n")


def array(path: Path, random: Random, rows: int) -> None:
    """A compressed array, which is made lines of in the staging folder."""
    found = [{"text": text, "metadata": {"n": number}} for number, text in enumerate(dialogues(random, rows))]
    with gzip.open(path, "wt", compresslevel=1) as file:
        json.dump(found, file)


def columns(path: Path, random: Random, rows: int) -> None:
    """Columns of Parquet, where equal texts may come with different languages and labels."""
    found = list(texts(random, rows))
    table = {
        "said": ["" if number % 90 == 89 else text for number, text in enumerate(found)],
        "language": [random.choice(LANGUAGES) for _ in found],
        "S": [random.randrange(2) for _ in found],
    }
    parquet.write_table(pyarrow.table(table), path, row_group_size=1_000)


def votes(path: Path, random: Random, rows: int) -> None:
    """Votes of ConvAbuse's eight annotators, who sometimes vote twice or for nothing."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["annotator_id", "conv_id", "prev_agent", "prev_user", "agent", "user", "type.sexist", *ABUSE])
        for number, text in enumerate(texts(random, rows)):
            marked = [int(place == random.randrange(6)) for place in range(5)]
            asked = ["_", "_", "Go on, please.", "" if number % 80 == 79 else text]
            for annotator in random.choices(range(1, 9), k=3):
                writer.writerow([f"A{annotator}", f"{number % 50}.0", *asked, number % 2, *marked])


def cases(path: Path, random: Random, rows: int) -> None:
    """HateCheck's cases, each with five of ten annotators, compressed."""
    shown = [f"label_{number}" for number in range(1, 11)]
    with zstandard.open(path, "wt") as file:
        for number, text in enumerate(texts(random, rows)):
            said = {name: random.choice(["hateful", "non-hateful", "hateful?"]) for name in random.sample(shown, 5)}
            gold = {"label_gold": random.choice(["hateful", "non-hateful"])}
            file.write(json.dumps({"case_id": number, "test_case": text, **gold, **said}) + "\n")


CASES = (
    Case("lines.jsonl", "oig", lines),
    Case("votes.csv", "convabuse", votes),
    Case("array.json.gz", "oig", array),
    Case("columns.parquet", "columns", columns, {"text": "said", "language_column": "language", "labels": "S"}),
    Case("cases.jsonl.zst", "hatecheck", cases),
    Case("augmented.jsonl", "oig", lines, augmenter="turns"),
)


def everything(run: ImportRun) -> dict[str, list[Any]]:
    """All that imports wrote, without the ids and times that differ between two equal imports."""
    said = Annotation.objects.values_list(
        "unit__instruction__digest", "annotator__username", "choice__code", "key", "tags", "surplus"
    )
    found = PersonalFinding.objects.values_list("instruction__digest", "turn", "start", "end", "kind")
    origins = Provenance.objects.values_list(
        "source__name", "instruction__digest", "row", "position", "source_labels", "suggested"
    )
    made = Instruction.objects.values_list(
        "digest", "turns", "language", "characters", "state", "parent__digest", "root__digest"
    )
    return {
        "instructions": _in_order(made),
        "provenance": _in_order(origins),
        "votes": _in_order(said),
        "units": _in_order(Unit.objects.values_list("instruction__digest", "overlap", "taken")),
        "participations": _in_order(Participation.objects.values_list("annotator__username", "votes")),
        "personal information": _in_order(found),
        "report": _report(run),
        "chunks": list(run.chunks.values_list("number", "state", "read", "added", "known", "rejected", "reasons"))
        if run.in_order
        else [],
        "left behind": sorted(path.name for path in (settings.MEDIA_ROOT / "staged").glob("*")),
    }


def _in_order(rows: Any) -> list[Any]:
    found = [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in rows.iterator()
    ]
    return sorted(found, key=repr)


def _report(run: ImportRun) -> list[Any]:
    run.refresh_from_db()
    names = run.report.__dataclass_fields__
    shards = [{name: shard[name] for name in ("sha256", "bytes", "name")} for shard in run.shards]
    return [("state", run.state, run.error), ("shards", shards), *((name, getattr(run.report, name)) for name in names)]


def differences(one: dict[str, list[Any]], other: dict[str, list[Any]], most: int = 3) -> list[str]:
    """The first rows of each kind that one has and the other has not."""
    told = []
    for kind, rows in one.items():
        if rows != other[kind]:
            mine, others = ({repr(row) for row in each} for each in (rows, other[kind]))
            told.append(f"{kind}: {len(rows)} rows undisturbed, {len(other[kind])} disturbed")
            told += [f"  only undisturbed: {row[:400]}" for row in sorted(mine - others)[:most]]
            told += [f"  only disturbed:   {row[:400]}" for row in sorted(others - mine)[:most]]
    return told


def is_over(run: ImportRun) -> bool:
    """Whether the import has ended and what it brought was screened."""
    return has_ended(run) and not Screening.objects.exclude(state=JobState.FINISHED).exists()


def has_ended(run: ImportRun) -> bool:
    """Whether nobody works on the import any more."""
    return not ImportRun.objects.filter(pk=run.pk, state__in=[JobState.QUEUED, JobState.RUNNING]).exists()


def kill_postgres() -> None:
    """SIGKILL to every process of the embedded PostgreSQL at once, which then recovers as after a crash."""
    postmaster = int((local.directory() / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)  # it starts no further process meanwhile
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for pid in [postmaster, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    connection.close()
    _start_again(servers.ALL[0], postmaster)


def kill_valkey() -> None:
    """SIGKILL to the embedded broker, which then reads what it had kept."""
    pid = int((local.directory() / "valkey" / "valkey.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    _start_again(servers.ALL[1], pid)


def _start_again(server: servers.Server, pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    wait_until(lambda: not local._lives(server), lambda: f"{server.name} survives SIGKILL")
    with local.running():  # others use it still, so that leaving stops nothing
        pass

"""Other forms of the records, for who loads them in another way. Each is made of the file of the lines itself, but
for the single votes, which were noted while the lines were made.

A form yields the files that it wrote, with how many records each has, None where it holds none. The same lines give the
same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import orjson
import pyarrow as pa
import zstandard
from pyarrow import parquet as pq

from exports import single_votes, writers
from exports.errors import SnapshotRefused
from exports.filters import EVERYTHING, LARGEST, Filters
from labels import cells
from labels.aggregation import Status
from labels.taxonomy import LabelSetSpec

# Of a thousand families; what is left is tested on.
TRAIN, VALIDATION = 800, 100
SPLITS = ("train", "validation", "test")

# Records that Parquet takes at a time, each batch a group of rows; fewer where they have more bytes than so many.
BATCH, BATCH_BYTES = 5_000, 16 << 20
ZSTD_LEVEL = 9

BOM = "\ufeff"


@dataclass(frozen=True)
class Options:
    """Which lines in which forms; stored with the snapshot, so that the same version gives the same files."""

    forms: tuple[str, ...] = ()
    seed: int = 0  # of the splits
    shard_bytes: int = 500_000_000
    filters: Filters = EVERYTHING

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Options:
        forms = {**stored.get("forms", {})}
        return cls(tuple(forms.pop("names", ())), **forms, filters=Filters.read(stored.get("filters", {})))

    def stored(self) -> dict[str, Any]:
        """As the snapshot keeps it: ``forms`` and ``filters``, each empty where nothing is asked."""
        forms = {"names": list(self.forms), "seed": self.seed, "shard_bytes": self.shard_bytes}
        return {"forms": forms if self.forms else {}, "filters": self.filters.stored()}

    def check(self) -> None:
        """Raise SnapshotRefused unless these forms can be made of lines that there can be."""
        self.filters.check()
        unknown = sorted(set(self.forms) - set(FORMS))
        if unknown:
            raise SnapshotRefused(f"There is no form {unknown[0]!r}; the forms are: {', '.join(FORMS)}")
        if self.shard_bytes < 1:
            raise SnapshotRefused(f"A shard of {self.shard_bytes} bytes holds nothing: give 1 or more")
        for what, number in (("seed", self.seed), ("size of a shard", self.shard_bytes)):
            if abs(number) > LARGEST:
                raise SnapshotRefused(f"The {what} is too large: no JSON reader takes more than {LARGEST:,} exactly")


PLAIN = Options()


@dataclass(frozen=True)
class Lines:
    """The file of the lines, and what a form has to know of them."""

    path: Path
    spec: LabelSetSpec
    options: Options
    has_model: bool = False  # whether a model's columns stand beside the rule's
    single_votes: int = 0  # how many stand in their file; none, and no file, if it is not asked for or not to be

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from file

    def records(self) -> Iterator[dict[str, Any]]:
        return map(orjson.loads, self)

    def named(self, ending: str) -> Path:
        """The path of a file beside that of the lines: its name with another ending."""
        return self.path.with_name(f"{self.path.name.removesuffix('.jsonl')}.{ending}")


type Written = Iterator[tuple[Path, int | None]]


def write(lines: Lines, on_file: Callable[[], None] = lambda: None) -> dict[str, int | None]:
    """Write the forms that the options ask for; return the records of each file by its name, None of no records.

    ``on_file`` is called after each file, and may raise to go no further.
    """
    found = {}
    for form in lines.options.forms:
        for path, rows in FORMS[form](lines):
            found[path.name] = rows
            on_file()
    return found


def compressed(lines: Lines) -> Written:
    """The lines in one .zst."""
    path, rows = lines.named("jsonl.zst"), 0
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    with writers.complete_file(path) as file, compressor.stream_writer(file, closefd=False) as stream:
        for line in lines:
            stream.write(line)
            rows += 1
    yield path, rows


def shards(lines: Lines) -> Written:
    """The lines in files of at most so many bytes; a longer line has one of its own."""
    coming, number = iter(lines), 0
    line = next(coming, b"")
    while line:
        number += 1
        path, rows, size = lines.named(f"shard-{number:05}.jsonl"), 0, 0
        # Line by line: a shard may be larger than the memory.
        with writers.complete_file(path) as file:
            while line and (not rows or size + len(line) <= lines.options.shard_bytes):
                size += file.write(line)
                rows += 1
                line = next(coming, b"")
        yield path, rows


def splits(lines: Lines) -> Written:
    """The lines in train, validation and test, about 8 : 1 : 1; no family is in two of them. None is written empty."""
    rows = dict.fromkeys(SPLITS, 0)
    paths = {name: lines.named(f"{name}.jsonl") for name in SPLITS}
    with ExitStack() as stack:
        files = {name: stack.enter_context(writers.complete_file(paths[name])) for name in SPLITS}
        for line in lines:
            name = split_of(orjson.loads(line)["metadata"]["lineage"]["family"], lines.options.seed)
            files[name].write(line)
            rows[name] += 1
    for name, path in paths.items():
        if rows[name]:
            yield path, rows[name]
        else:
            path.unlink()


def split_of(family: str, seed: int) -> str:
    """The split of a family: by digest, so that it stays when others come or go."""
    digest = hashlib.blake2b(bytes.fromhex(family), digest_size=8, key=str(seed).encode()).digest()
    place = int.from_bytes(digest) % 1000
    return SPLITS[(place >= TRAIN) + (place >= TRAIN + VALIDATION)]


def parquet(lines: Lines) -> Written:
    """The records as typed columns, nested as the lines are."""
    path, rows, schema = lines.named("parquet"), 0, columns(lines.spec, lines.has_model)
    with writers.complete_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in writers.batches(lines, BATCH_BYTES, BATCH):
            writer.write_batch(pa.RecordBatch.from_pylist([orjson.loads(line) for line in batch], schema))
            rows += len(batch)
    yield path, rows


def columns(spec: LabelSetSpec, has_model: bool = False) -> pa.Schema:
    """The types of the fields of a record."""
    text, whole, share = pa.string(), pa.int32(), pa.float64()
    answers = pa.struct({"yes": whole, "no": whole, "outcome": text})
    options = dict.fromkeys(spec.option_names, share)
    metadata = {
        "id": text,
        "turns": pa.list_(pa.struct({"role": text, "text": text})),
        "label": text,
        "labels": pa.list_(text),
        **dict.fromkeys(("source", "license", "language", "target"), text),
        "n_votes": whole,
        "n_simulated_votes": whole,
        "votes": pa.struct(dict.fromkeys(spec.option_names, whole)),
        "tag_votes": pa.struct(dict.fromkeys(spec.tag_names, answers)),
        "distribution": pa.struct(options),
        "distribution_smoothed": pa.struct(options),
        **dict.fromkeys(("agreement", "no_label_because", "disputed_because", "label_of_votes"), text),
        "adjudicators": whole,
        "decision": pa.int64(),
        "decided_because": text,
        **({"model_label": text, "model_distribution": pa.struct(options)} if has_model else {}),
        "lineage": pa.struct(dict.fromkeys(("source", "row", "parent", "augmenter", "family"), text)),
    }
    return pa.schema({"text": text, "metadata": pa.struct(metadata)})


def training(lines: Lines) -> Written:
    """Texts as GPT-JT-Moderation is trained on: the possible labels, numbered by the alphabet, then text and labels."""
    numbered = "\n".join(f"{number}. {label}" for number, label in enumerate(sorted(lines.spec.published), start=1))
    labelled = (record for record in lines.records() if record["metadata"]["label"])
    texts = (
        f"Possible labels:\n{numbered}\n\nInput: {record['text']}\nOutput: {' | '.join(record['metadata']['labels'])}"
        for record in labelled
    )
    yield _texts(lines.named("training.jsonl"), texts)


def oig(lines: Lines) -> Written:
    """Nothing but ``text``, as OIG's own files."""
    yield _texts(lines.named("text.jsonl"), (record["text"] for record in lines.records()))


def _texts(path: Path, texts: Iterator[str]) -> tuple[Path, int]:
    rows = 0
    with writers.complete_file(path) as file:
        for text in texts:
            file.write(orjson.dumps({"text": text}, option=orjson.OPT_APPEND_NEWLINE))
            rows += 1
    return path, rows


def table(lines: Lines) -> Written:
    """The main fields for people and spreadsheets: no cell is a formula."""
    yield _table(lines, lines.named("csv"), "")


def table_with_bom(lines: Lines) -> Written:
    """The same with a byte order mark, without which Excel takes UTF-8 for something else."""
    yield _table(lines, lines.named("bom.csv"), BOM)


def _table(lines: Lines, path: Path, mark: str) -> tuple[Path, int]:
    options, rows = lines.spec.option_names, 0
    plain = ("source", "license", "language", "n_votes", "agreement", "disputed_because")
    with writers.complete_file(path) as file:
        wrapped = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        wrapped.write(mark)
        writer = csv.writer(wrapped, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "text", "label", "labels", *plain, *(f"votes: {name}" for name in options), "family"])
        for record in lines.records():
            told = record["metadata"]
            row = [told["id"], record["text"], told["label"], " | ".join(told["labels"])]
            row += [told[name] for name in plain]
            row += [told["votes"][name] for name in options]
            writer.writerow([cells.harmless(cell) for cell in [*row, told["lineage"]["family"]]])
            rows += 1
        wrapped.detach()
    return path, rows


def described(lines: Lines) -> Written:
    """The JSON Schema of a line."""
    path = lines.named("schema.json")
    writers.write_json(path, schema(lines.spec, lines.has_model))
    yield path, None
    if lines.single_votes:
        path = lines.named(f"{single_votes.FORM}.schema.json")
        writers.write_json(path, schema_of_votes(lines.spec))
        yield path, None


def votes(lines: Lines) -> Written:
    """The single votes of those who allow it, which are there already."""
    if lines.single_votes:
        yield lines.named(f"{single_votes.FORM}.jsonl"), lines.single_votes


def schema(spec: LabelSetSpec, has_model: bool = False) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record of this label set."""
    text, whole = {"type": "string"}, {"type": "integer", "minimum": 0}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    hexadecimal = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    outcome = {"enum": ["yes", "no", "tie", "not answered"]}
    shares = _object(dict.fromkeys(spec.option_names, share))
    metadata = {
        "id": hexadecimal,
        "turns": _list(_object({"role": {"enum": ["human", "bot"]}, "text": text})),
        "label": {"enum": [*spec.published, ""]},
        "labels": _list({"enum": [*spec.published, *spec.tag_names]}),
        "source": text,
        "license": text,
        "language": text,
        "target": {"enum": ["prompt", "reply", "dialogue"]},
        "n_votes": {"type": "integer", "minimum": 1},
        "n_simulated_votes": whole,
        "votes": _object(dict.fromkeys(spec.option_names, whole)),
        "tag_votes": _object(dict.fromkeys(spec.tag_names, _object({"yes": whole, "no": whole, "outcome": outcome}))),
        "distribution": shares,
        "distribution_smoothed": shares,
        "agreement": {"enum": list(get_args(Status))},
        "no_label_because": text,
        "disputed_because": text,
        "label_of_votes": {"enum": [*spec.published, ""]},
        "adjudicators": whole,
        "decision": whole,
        "decided_because": text,
        **({"model_label": {"enum": [*spec.option_names, ""]}, "model_distribution": shares} if has_model else {}),
        "lineage": _object(
            {
                "source": text,
                "row": text,
                "parent": {"type": "string", "pattern": "^([0-9a-f]{32})?$"},
                "augmenter": text,
                "family": hexadecimal,
            }
        ),
    }
    return _page(spec, {"text": text, "metadata": _object(metadata)})


def schema_of_votes(spec: LabelSetSpec) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a single vote with this label set."""
    fields = single_votes.schema(spec)
    return _page(spec, {**fields, "tags": _object(fields["tags"])})


def _page(spec: LabelSetSpec, fields: dict[str, Any]) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{spec.name} {spec.revision}"}
    return {**head, **_object(fields)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": members}


FORMS: dict[str, Callable[[Lines], Written]] = {
    "zst": compressed,
    "shards": shards,
    "splits": splits,
    "parquet": parquet,
    "training": training,
    "text": oig,
    "csv": table,
    "csv-bom": table_with_bom,
    "schema": described,
    single_votes.FORM: votes,
}

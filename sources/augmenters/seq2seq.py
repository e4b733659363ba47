"""Paraphrase, grammar and back-translation by sequence-to-sequence models of the ``transformers`` library.

One text at a time: in a batch, padding would let a text's neighbours change what is made of it. Weights are read from
safetensors only, and no code that lies beside a model is ever run. Both libraries are optional (group ``models``) and
are imported when the first text is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from sources.augmenters.augmenter import COPIES, NEEDS_VOTES, SEED, Augmenter, Made, draw, whole_number
from sources.errors import SourceError
from sources.importers.importer import Option, Options, Reader, WrongOption
from sources.rows import Parent, Turn
from sources.texts import HUMAN

NEEDED = ("torch", "transformers")
BEAMS = 4
NUCLEUS = 0.95  # sampling draws from the likeliest tokens that together have this probability
MOST_TOKENS = 4096
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class ModelsNotInstalled(SourceError):
    """augmenter {name} needs {missing}: run "make models", or install requirements/models.txt"""


class ModelNotLoaded(SourceError):
    """model {model}: {problem}: {remedy}"""


@dataclass(frozen=True, slots=True)
class Model:
    """Where a model is: a folder, or its name and commit on the hub. ``prefix`` is put before each text."""

    name: str
    revision: str
    prefix: str

    @property
    def is_folder(self) -> bool:
        """Whether it is read from the file system."""
        return self.name.startswith(("/", "./", "../"))


@dataclass(frozen=True, slots=True)
class Writing:
    """How a text is written: ``temperature`` 0 is the best of a few beams, above it is drawn by chance."""

    temperature: float
    max_tokens: int


def rewritten(text: str, model: Model, writing: Writing, seed: int) -> str | None:
    """What the model makes of the text; None where the text is too long for it, or what it writes has no end.

    Equal arguments give equal texts with the same libraries, weights and kind of processor.
    Raises ModelNotLoaded.
    """
    import torch

    tokenizer, network = _loaded(model.name, model.revision)
    tokens = tokenizer(model.prefix + text, return_tensors="pt")
    if tokens["input_ids"].shape[1] > writing.max_tokens:
        return None
    if writing.temperature:
        how = {"do_sample": True, "temperature": writing.temperature, "top_p": NUCLEUS, "top_k": 0, "num_beams": 1}
    else:
        how = {"do_sample": False, "num_beams": BEAMS}
    # The seed holds in here alone: other code of this process draws as before.
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        written = network.generate(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            max_new_tokens=writing.max_tokens,
            **how,
        )
    if int(written[0, -1]) not in _ends(network):
        return None
    return str(tokenizer.decode(written[0], skip_special_tokens=True)).strip()


def _ends(network: Any) -> list[int]:
    """The tokens that end a text."""
    ends = network.generation_config.eos_token_id
    return ends if isinstance(ends, list) else [ends]


@lru_cache(maxsize=2)
def _loaded(name: str, revision: str) -> tuple[Any, Any]:
    """Tokenizer and network, once in each process; back-translation has two."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # it would be drawn into the log of a worker
    broken = (AttributeError, ImportError, RuntimeError, SafetensorError, StrictDataclassError)
    source = {"local_files_only": True} if not revision else {"revision": revision}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **source)
        network = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=False, use_safetensors=True, **source)
    except (OSError, ValueError, LookupError, TypeError, *broken) as error:
        problem = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = "give a sequence-to-sequence model with safetensors and a tokenizer that needs no code of its own"
        raise ModelNotLoaded(model=name, problem=problem, remedy=remedy) from error
    return tokenizer, network.eval()


def _model(augmenter: Augmenter, settled: Options, before: str = "") -> Model:
    """The model that the options name; ``before`` begins the names of those of the second one."""
    name, revision = settled.get(f"{before}model", "").strip(), settled.get(f"{before}revision", "").strip()
    model = Model(name, revision, settled.get(f"{before}prefix", ""))

    def wrong(option: str, problem: str, remedy: str) -> WrongOption:
        return WrongOption(format=augmenter.name, name=before + option, problem=problem, remedy=remedy)

    if model.is_folder:
        if not (Path(name) / "config.json").is_file():
            raise wrong("model", f"{name!r} is no folder with a config.json", "name the folder of a saved model")
        if revision:
            raise wrong("revision", "is for models of the hub", "leave it out for a folder")
    elif not _HUB_NAME.fullmatch(name):
        raise wrong("model", "is needed" if not name else f"is {name[:40]!r}", "write a folder (/...) or ORG/NAME")
    elif not _COMMIT.fullmatch(revision):
        raise wrong("revision", "is no commit", "write the 40 hex digits of one, so that the model stays the same")
    return model


def _writing(augmenter: Augmenter, settled: Options) -> Writing:
    try:
        temperature = float(settled["temperature"])
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 10:
        problem = f"is {settled['temperature'][:20]!r}, no number from 0 to 10"
        raise WrongOption(format=augmenter.name, name="temperature", problem=problem, remedy="write temperature=0")
    return Writing(temperature, whole_number(augmenter, settled, "max_tokens", MOST_TOKENS))


def _reader(augmenter: Augmenter, options: Options, befores: tuple[str, ...]) -> Reader:
    """A reader that hands what people say through one model after the other."""
    settled = augmenter.settled(options)
    models = [_model(augmenter, settled, before) for before in befores]
    writing = _writing(augmenter, settled)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ModelsNotInstalled(name=augmenter.name, missing=" and ".join(missing))

    def make(record: Parent, random: Random) -> Iterator[Made]:
        turns = []
        for turn in record["turns"]:
            text: str | None = turn["text"]
            if turn["role"] == HUMAN:
                for model in models:
                    text = rewritten(text, model, writing, random.getrandbits(63)) if text else None
            if not text:
                return
            turns.append(Turn(role=turn["role"], text=text))
        yield Made(turns, {"library": _libraries()})

    return draw(augmenter, options, make)


def _libraries() -> str:
    import torch
    import transformers

    return f"transformers {transformers.__version__}, torch {torch.__version__}"


def _options(before: str = "", which: str = "the model") -> tuple[Option, ...]:
    return (
        Option(f"{before}model", f"folder of {which} (/...), or its name on the hub, ORG/NAME"),
        Option(f"{before}revision", f"commit of {which} on the hub, 40 hex digits"),
        Option(f"{before}prefix", f"what {which} wants before each text, as in 'paraphrase: '"),
    )


_COMMON = (
    SEED,
    COPIES,
    Option("temperature", "0 for the likeliest text, which is one; above 0 texts are drawn, wilder the higher it is"),
    Option("max_tokens", "the longest text that is read or written, in tokens of the model"),
)


def _augmenter(
    name: str, title: str, summary: str, temperature: str, options: tuple[Option, ...], befores: tuple[str, ...] = ("",)
) -> Augmenter:
    augmenter = Augmenter(
        name=name,
        title=title,
        summary=summary,
        options=(*_COMMON, *options),
        defaults={"seed": "0", "copies": "1", "temperature": temperature, "max_tokens": "512"},
        effect=NEEDS_VOTES,
        reader=lambda options: _reader(augmenter, options, befores),
    )
    return augmenter


AUGMENTERS = (
    _augmenter("paraphrase", "Paraphrase", "What a person says in other words, by a model.", "1", _options()),
    _augmenter("grammar", "Grammar synthesis", "What a person says in a model's grammar.", "0", _options()),
    _augmenter(
        "back-translation",
        "Back-translation",
        "What a person says in another language and back again, by two models.",
        "0",
        (*_options(which="the model that translates"), *_options("back_", "the model that translates back")),
        ("", "back_"),
    ),
)

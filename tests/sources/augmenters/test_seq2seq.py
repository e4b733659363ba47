"""Paraphrase, grammar and back-translation on a tiny model that the test makes: random weights, real loading code.

The libraries are optional (``make models``); without them only what needs none is tested.
"""

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sources import augmenters
from sources.augmenters.seq2seq import NEEDED, ModelNotLoaded, ModelsNotInstalled
from sources.importers.importer import WrongOption
from tests import ROOT
from tests.sources.augmenters.parents import parent, rows, texts

NAMES = ("paraphrase", "grammar", "back-translation")
INSTALLED = all(find_spec(name) for name in NEEDED)
with_models = pytest.mark.skipif(not INSTALLED, reason="torch and transformers are not installed (make models)")
COMMIT = "0" * 40
WORDS = [
    "please",
    "help",
    "me",
    "to",
    "write",
    "a",
    "kind",
    "letter",
    "house",
    "no",
    "yes",
    "пожалуйста",
    "помоги",
    "请",
    "帮",
    "我",
]
SAID = "please help me to write a letter"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model with a vocabulary of a few words and weights by chance."""
    if not INSTALLED:
        pytest.skip("torch and transformers are not installed (make models)")
    folder = tmp_path_factory.mktemp("model")
    make_model(folder)
    return str(folder)


def make_model(folder: Path, forced_end: int | None = 1) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    vocabulary = {word: at for at, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
    fast.save_pretrained(folder)
    torch.manual_seed(3)
    size = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    # Large weights, so that what comes out depends on what goes in.
    config = T5Config(
        vocab_size=len(vocabulary),
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
        initializer_factor=2.0,
        **size,
    )
    network = T5ForConditionalGeneration(config)
    # Weights by chance seldom end a text by themselves.
    network.generation_config.forced_eos_token_id = forced_end
    network.save_pretrained(folder)


def options(name: str, folder: str, **more: str) -> dict[str, str]:
    second = {"back_model": folder} if name == "back-translation" else {}
    return {"model": folder, "max_tokens": "12", "temperature": "1", **second, **more}


@with_models
@pytest.mark.parametrize("name", NAMES)
def test_it_writes_what_the_model_writes_and_says_with_which_libraries(name: str, model: str) -> None:
    [row] = rows(name, parent(SAID, "no", "please write"), options(name, model))
    assert [turn["role"] for turn in row.turns] == ["human", "bot", "human"]
    assert row.turns[1]["text"] == "no"
    assert set(row.turns[0]["text"].split()) <= {*WORDS}
    assert row.turns[0]["text"] != SAID
    assert row.source_labels["library"].startswith("transformers ")
    assert row.source_labels["parameters"]["model"] == model


@with_models
@pytest.mark.parametrize("temperature", ["0", "1"])
def test_the_same_seed_gives_the_same_text_in_any_order(temperature: str, model: str) -> None:
    records = [parent(f"{SAID} {word}", id=f"{at:032x}") for at, word in enumerate(WORDS[:4])]
    wanted = options("paraphrase", model, temperature=temperature)
    forwards = {record["id"]: texts("paraphrase", record, wanted) for record in records}
    assert {record["id"]: texts("paraphrase", record, wanted) for record in reversed(records)} == forwards
    assert all(forwards.values())
    others = {record["id"]: texts("paraphrase", record, {**wanted, "seed": "1"}) for record in records}
    assert (others == forwards) == (temperature == "0")


@with_models
def test_another_process_writes_the_same(model: str) -> None:
    wanted = options("paraphrase", model)
    program = (
        "import json, sys\nfrom sources import augmenters\noptions, record = json.load(sys.stdin)\n"
        "rows = augmenters.get('paraphrase').reader(options).rows('any', record)\n"
        "print(json.dumps([row.turns for row in rows]))"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        input=json.dumps([wanted, parent(SAID)]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert json.loads(ran.stdout) == [row.turns for row in rows("paraphrase", parent(SAID), wanted)]


@with_models
def test_it_draws_without_disturbing_who_else_draws(model: str) -> None:
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    texts("paraphrase", parent(SAID), options("paraphrase", model))
    assert torch.equal(torch.rand(3), expected)


@with_models
def test_copies_are_different_texts(model: str) -> None:
    found = texts("paraphrase", parent(SAID), options("paraphrase", model, copies="4"))
    assert len(set(found)) == len(found) == 4
    # The likeliest text is one.
    assert len(texts("grammar", parent(SAID), options("grammar", model, copies="4", temperature="0"))) == 1


@with_models
def test_a_prefix_is_read_by_the_model(model: str) -> None:
    wanted = options("grammar", model)
    assert texts("grammar", parent("help me"), wanted) != texts(
        "grammar", parent("help me"), {**wanted, "prefix": "no "}
    )
    # It counts for the length, too.
    assert not texts("grammar", parent("help me"), {**wanted, "prefix": "please " * 10})


@with_models
def test_a_text_that_is_too_long_for_the_model_is_left_out_and_not_cut(model: str) -> None:
    assert texts("paraphrase", parent("please " * 11), options("paraphrase", model))
    assert not texts("paraphrase", parent("please " * 12), options("paraphrase", model))


@with_models
def test_a_text_that_the_model_does_not_end_is_left_out(tmp_path: Path) -> None:
    make_model(tmp_path, forced_end=None)
    assert not texts("paraphrase", parent(SAID), options("paraphrase", str(tmp_path), temperature="0"))


@with_models
def test_it_reads_no_weights_but_safetensors(model: str, tmp_path: Path) -> None:
    import torch
    from transformers import T5ForConditionalGeneration

    folder = tmp_path / "pickled"
    shutil.copytree(model, folder)
    weights = T5ForConditionalGeneration.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ModelNotLoaded, match="safetensors"):
        texts("paraphrase", parent(SAID), options("paraphrase", str(folder)))


@with_models
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{}"),
        ("config.json", '{"model_type": "t5", "d_model": "many"}'),
        ("config.json", "no JSON"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "{}"),
    ],
)
def test_it_says_in_one_line_that_a_folder_is_no_model(file: str, content: str, model: str, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(model, folder)
    (folder / file).write_text(content)
    with pytest.raises(ModelNotLoaded, match=rf"^model {folder}: .+: give a sequence-to-sequence model") as refusal:
        texts("paraphrase", parent(SAID), options("paraphrase", str(folder)))
    assert "\n" not in str(refusal.value)


@with_models
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_it_runs_no_code_that_lies_beside_the_model(file: str, model: str, tmp_path: Path) -> None:
    folder, ran = tmp_path / "hostile", tmp_path / "ran"
    shutil.copytree(model, folder)
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    config: dict[str, Any] = json.loads((folder / file).read_text())
    auto = {"AutoConfig": "own.Config", "AutoModelForSeq2SeqLM": "own.Model", "AutoTokenizer": [None, "own.Words"]}
    (folder / file).write_text(json.dumps({**config, "model_type": "own", "tokenizer_class": "Own", "auto_map": auto}))
    with suppress(ModelNotLoaded):  # an unknown class of tokenizers is read as an ordinary one
        texts("paraphrase", parent(SAID), options("paraphrase", str(folder)))
    assert not ran.exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"'model' .*: is needed: write a folder \(/\.\.\.\) or ORG/NAME"),
        ({"model": "/nowhere"}, r"'/nowhere' is no folder with a config\.json"),
        ({"model": "../{ROOT}"}, "is no folder"),
        ({"model": "org/name/more"}, "is 'org/name/more'"),
        ({"model": "org/name"}, r"'revision' .*: is no commit: write the 40 hex digits"),
        ({"model": "org/name", "revision": "main"}, "is no commit"),
        ({"model": "org/name", "revision": COMMIT, "temperature": "hot"}, "no number from 0 to 10"),
        ({"model": "org/name", "revision": COMMIT, "max_tokens": "0"}, "no whole number from 1 to 4096"),
    ],
)
def test_it_refuses_a_model_that_is_not_named_exactly(name: str, given: dict[str, str], message: str) -> None:
    second = {"back_model": "org/back", "back_revision": COMMIT} if name == "back-translation" else {}
    with pytest.raises(WrongOption, match=message):
        augmenters.get(name).reader({**second, **given})


def test_the_model_that_translates_back_is_named_too() -> None:
    with pytest.raises(WrongOption, match=r"'back_model' .*: is needed"):
        augmenters.get("back-translation").reader({"model": "org/name", "revision": COMMIT})


@pytest.mark.skipif(INSTALLED, reason="torch and transformers are installed")
def test_it_says_how_to_install_what_is_missing() -> None:
    with pytest.raises(ModelsNotInstalled, match='augmenter grammar needs torch and transformers: run "make models"'):
        augmenters.get("grammar").reader({"model": "org/name", "revision": COMMIT})

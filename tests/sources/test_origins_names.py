"""What names an origin: addresses, datasets of the hub, files and folders."""

import hashlib
from pathlib import Path

import pytest

from sources import origins
from sources.origins import Kind, OriginRefused, downloads

CONTENT = b"a few bytes"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("https://a.example/数据.jsonl", "file_.jsonl"),
        ("https://a.example/a%20b.csv.gz", "a_b.csv.gz"),
        ("https://a.example/.jsonl", "file.jsonl"),
        ("https://a.example/" + "n" * 3_000 + ".jsonl", "n" * 144 + ".jsonl"),
        ("https://a.example/..", "file.."),
    ],
)
def test_names_keep_their_suffix(path: str, name: str) -> None:
    assert downloads.safe_name(path) == name


def test_a_local_file_is_listed_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(CONTENT)
    [found] = origins.fetch(str(path), tmp_path, lambda: None)
    assert (found.path, found.name, found.address) == (path, "a.jsonl", path.as_uri())
    assert (found.bytes, found.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_a_folder_gives_its_data_files_by_name(tmp_path: Path) -> None:
    data = ["a.parquet", "b.jsonl.zst", "c.tsv", "d.tsv.gz"]
    for name in (*reversed(data), "README.md", "readme.json", ".hidden.jsonl", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "inner.jsonl").mkdir()
    assert [each.name for each in origins.fetch(str(tmp_path), tmp_path, lambda: None)] == data


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OriginRefused) as caught:
        origins.fetch(str(tmp_path), tmp_path, lambda: None)
    assert "no file in it ends in .jsonl, .ndjson, .json, .csv, .tsv, .parquet (or these with .gz or .zst)" in str(
        caught.value
    )
    assert "name the folder that holds the shards" in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("", "is not an address"),
        ("/no/such/file.jsonl", "there is no such file or folder"),
        ("~nobodyatall://x", "write the path from the root"),
        ("/dev/null", "is neither a file nor a folder"),
        ("http://huggingface.co/a.jsonl", "write https://"),
        ("ftp://huggingface.co/a.jsonl", "ftp addresses are not known"),
        ("file:///etc/passwd", "file addresses are not known"),
        ("s3://bucket/a.jsonl", "s3 addresses are not known"),
        ("https://", "host  is not allowed"),
        ("https://exa mple/", "host exa%20mple is not allowed"),
        ("https://example.org/a.jsonl", "OIG_DOWNLOAD_HOSTS"),
        ("https://huggingface.co:8443/a.jsonl", "huggingface.co:8443 to OIG_DOWNLOAD_EXCEPTIONS"),
        ("hf://models/org/name@main/a", "is not a dataset of the hub"),
        ("hf://datasets/org/name/a.jsonl", "names no revision"),
        ("hf://datasets/org/name@/a.jsonl", "names no revision"),
        ("hf://datasets/org/name@main", "names no file"),
        ("hf://datasets/org/name@main/../other/a.jsonl", "dotted part"),
        ("hf://datasets/org/name@..%2f../a.jsonl", "dotted part"),
        ("hf://datasets/or g/name@main/a", "is not a dataset of the hub"),
    ],
)
def test_it_refuses_nonsense_with_a_remedy(origin: str, words: str) -> None:
    with pytest.raises(OriginRefused, match=r"^[^\n]+: [^\n]+: [^\n]+$") as caught:
        origins.resolve(origin)
    assert words in str(caught.value)


@pytest.mark.parametrize("scheme", ["https", "http", "ftp"])
def test_it_refuses_a_password_without_repeating_it(scheme: str) -> None:
    with pytest.raises(OriginRefused) as caught:
        origins.resolve(f"{scheme}://me:secret@huggingface.co/a.jsonl?key=secret")
    assert "secret" not in str(caught.value)


def test_it_says_what_an_origin_is(tmp_path: Path) -> None:
    assert origins.resolve(str(tmp_path)).kind is Kind.FOLDER
    assert origins.resolve("https://huggingface.co/a.jsonl").kind is Kind.HTTPS
    found = origins.resolve("hf://datasets/org/name@refs%2Fconvert%2Fparquet/data/*.parquet")
    assert (found.dataset, found.revision, found.inside) == ("org/name", "refs/convert/parquet", "data/*.parquet")
    assert not found.is_folder
    assert not found.is_one_file

"""The whole path, once: public rows come in, a person labels them in a browser, and a release goes out."""

import json
from pathlib import Path

import datasets
import pandas
import pytest
from django.conf import global_settings
from django.core.management import call_command
from playwright.sync_api import Page, expect
from pytest_django import Settings

from annotate.models import Annotation, Annotator, Assignment, Campaign
from sources.models import ImportRun, Source
from tests.pages.desk import Desk
from tests.processes import Web, Worker

PASSWORD = "for the demo"
LETTERS = [f"How do I fold a letter in {n} parts?" for n in range(2, 42)]


@pytest.mark.slow
def test_from_a_public_file_to_a_release(
    page: Page, web: Web, worker: Worker, tmp_path: Path, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # what the web processes check
    call_command("load_demo", password=PASSWORD, yes=True, verbosity=0)
    upload_as_admin(page, tmp_path)
    page.context.clear_cookies()
    label_as_volunteer(page)
    call_command("export_safety", version="0.3", output=tmp_path / "release")
    check_release(tmp_path / "release")


def sign_in(page: Page, name: str) -> None:
    """With the keyboard alone, from the page that asks for it."""
    page.get_by_label("Username").focus()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def upload_as_admin(page: Page, folder: Path) -> None:
    """Give a file to the workers through admin and watch it arrive."""
    file = folder / "letters.csv"
    file.write_text("question\n" + "\n".join(f'"{letter}"' for letter in LETTERS))
    Source.objects.create(name="letters", license="CC0-1.0")
    page.goto("/admin/")
    sign_in(page, "admin")
    page.goto("/admin/sources/importrun/add/")
    page.locator("#id_source").select_option(label="letters")
    page.locator("#id_format").select_option("columns")
    page.locator("#id_upload").set_input_files(file)
    page.locator("#id_options").fill("text=question")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress")).to_contain_text("added 40", timeout=30_000)
    assert ImportRun.objects.get(source__name="letters").report.known == 0


def label_as_volunteer(page: Page) -> None:
    """Ten answers, one skipped, one undone and answered anew: eleven keys and no mouse."""
    page.goto("/campaigns/")
    sign_in(page, "volunteer")
    page.get_by_role("link", name="Start labelling").first.click()
    page.get_by_role("button", name="I am an adult, and I want to read such texts").click()
    desk = Desk(page, Annotator.objects.get(username="volunteer"), Campaign.objects.get(slug="sample")).open()
    for number in range(10):
        desk.press_and_wait(*(("2", "h", "Enter") if number % 2 else ("1", "Enter")))
    desk.press("Escape")
    desk.press_and_wait("Enter")
    desk.press_and_wait("u")
    desk.press_and_wait("3", "Enter")
    said = [choice for _, choice, _ in desk.said()]
    assert len(said) == 10
    assert said[-1] == "needs-intervention"
    assert Assignment.objects.get(state=Assignment.State.DECLINED).reason in Assignment.DECLINES


def check_release(folder: Path) -> None:
    """The file loads with one line everywhere, and holds what was said."""
    file = folder / "OIG_safety_v0.3.jsonl"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    people = sum(record["metadata"]["n_votes"] - record["metadata"]["n_simulated_votes"] for record in records)
    assert people == 10
    assert sum(record["metadata"]["n_votes"] for record in records) == Annotation.objects.counted().count()
    assert len(pandas.read_json(file, lines=True)) == len(records)
    loaded = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(folder / "cache"))
    assert [row["metadata"]["labels"] for row in loaded] == [record["metadata"]["labels"] for record in records]

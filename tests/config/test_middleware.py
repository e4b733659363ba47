import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotate.models import Annotator
from sources.models import ImportRun, Source
from tests.processes import Web

pytestmark = pytest.mark.django_db
IMPORT = "/admin/sources/importrun/add/"


@pytest.fixture(autouse=True)
def small(settings: object) -> None:
    settings.REQUEST_MAX_BYTES, settings.UPLOAD_MAX_BYTES = 2_000, 5_000_000  # type: ignore[attr-defined]


def upload(size: int) -> dict[str, object]:
    return {"upload": SimpleUploadedFile("a.jsonl", b'{"text": "' + b"x" * (size - 13) + b'"}\n')}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/healthz", "/nowhere", "/admin/login/", IMPORT])
def test_it_refuses_a_stranger_s_large_request_unread(path: str, client: Client) -> None:
    answer = client.post(path, upload(2_000))
    assert (answer.status_code, answer.wsgi_request._read_started) == (413, False)  # type: ignore[attr-defined]
    assert answer.content.decode().endswith("bytes, more than is taken here.\n")


def test_it_lets_small_requests_through(client: Client) -> None:
    assert client.post("/nowhere", upload(1_000)).status_code != 413


def test_it_takes_large_files_only_where_and_from_whom_they_are_imported(client: Client) -> None:
    bob = Annotator.objects.create_user("bob", is_staff=True)
    client.force_login(bob)
    assert client.post(IMPORT, upload(3_000_000)).status_code == 413
    bob.user_permissions.add(Permission.objects.get(codename="add_importrun"))
    source = Source.objects.create(name="invented", license="MIT")
    assert client.post("/admin/", upload(3_000_000)).status_code == 413
    assert client.post(IMPORT, upload(5_100_000)).status_code == 413
    # Large enough to lie on the disk while it comes in.
    asked = {"source": source.pk, "format": "columns", "options": "text=text"}
    answer = client.post(IMPORT, asked | upload(3_000_000))
    assert answer.status_code == 302, answer.content.decode()
    assert ImportRun.objects.get().upload.size == 3_000_000


def test_what_comes_in_lies_on_the_volume_where_it_stays(settings: object) -> None:
    folder, media = Path(settings.FILE_UPLOAD_TEMP_DIR), settings.MEDIA_ROOT  # type: ignore[attr-defined]
    assert media in folder.parents


@pytest.mark.slow
def test_the_web_server_refuses_bodies_that_are_large_or_of_unknown_size(web: Web) -> None:
    connection = http.client.HTTPConnection(urlsplit(web.url).netloc)
    connection.request("POST", "/sign-in", headers={"Content-Length": "50000000000"})
    assert connection.getresponse().status == 413
    connection.close()
    connection.request(
        "POST", "/sign-in", body=iter([b"x" * 100]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 411
    connection.close()

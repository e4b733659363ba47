import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from annotate.models import Annotator
from sources.models import Source


@pytest.fixture
def source(db: None) -> Source:
    return Source.objects.create(name="invented", license="MIT", attribution="By nobody.")


@pytest.fixture
def ada(db: None) -> Annotator:
    return Annotator.objects.create_superuser("ada", password="ada's password")


@pytest.fixture
def admin(client: Client, ada: Annotator) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def bob(db: None) -> Client:
    """A curator who may start and see imports, and nothing else."""
    staff, client = Annotator.objects.create_user("bob", is_staff=True), Client()
    staff.user_permissions.set(Permission.objects.filter(codename__in=["add_importrun", "view_importrun"]))
    client.force_login(staff)
    return client

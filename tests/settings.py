"""The shipped settings, on servers of the test session's own."""

from tests import servers

servers.choose()

from config.settings import *  # noqa: E402, F403
from config.settings import STORAGES  # noqa: E402

# Playwright's synchronous API keeps an event loop in the thread that also asks the database for what a page did.
servers.allow_loop()

# In-process requests need no collected files; the web processes of the tests run on the shipped storage.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Hashing that is slow on purpose would be most of the suite's time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

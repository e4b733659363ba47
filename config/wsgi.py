"""The web application for gunicorn: `gunicorn config.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from config import local

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
local.join()
application = get_wsgi_application()

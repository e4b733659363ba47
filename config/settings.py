"""Settings, in one file, read from top to bottom.

Every value that an installation may want to change comes from an environment variable; ``docs/settings.md`` lists
them. With neither ``DATABASE_URL`` nor ``REDIS_URL`` set, the project runs on embedded servers in ``.local/``.
"""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import django_stubs_ext
from django.utils.csp import CSP
from kombu import Exchange, Queue

from config import env, local

# Lets generic classes such as admin.ModelAdmin[Source] be written with their type.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Security -------------------------------------------------------------------------------------------------------

DEBUG = env.flag("OIG_DEBUG", default=False)
SECRET_KEY = env.secret("OIG_SECRET_KEY", local.secret_key)
ALLOWED_HOSTS = env.names("OIG_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("OIG_TRUSTED_ORIGINS", default=[])

# Behind TLS (every public installation) cookies and redirects insist on it; the demo speaks plain HTTP on loopback.
HTTPS = env.flag("OIG_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# These bind names that are not this site's, for a year: nobody should get them by the way.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("OIG_HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("OIG_HSTS_PRELOAD", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("OIG_BEHIND_PROXY", default=False) else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# Texts are hostile: nothing inline, nothing from elsewhere, nothing embedded.
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

# --- Application ----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "exports",
    "annotate",
    "sources",
    "labels",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    # Before everything that answers in words.
    "config.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Behind the others because it asks who comes; nothing before it reads a request's body.
    "config.middleware.RequestSizeMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Default deny: a view is for signed-in people unless it says otherwise.
    "annotate.middleware.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_USER_MODEL = "annotate.Annotator"
AUTHENTICATION_BACKENDS = ["annotate.backends.PreparedBackend"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "campaigns"
LOGOUT_REDIRECT_URL = "front"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Default deny: a view of the API says who may see it, or nobody may. JSON only: REST framework's pages for browsers
# need inline scripts, and are left out with their templates and static files, since it is not in INSTALLED_APPS.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
}

# The languages of the pages; docs/translations.md says how one is added. The admin is in English.
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("de", "German"),
    ("es", "Spanish"),
    ("fr", "French"),
    ("ja", "Japanese"),
    ("ar", "Arabic"),
]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
# Kept for whoever chose a language, and for nobody else. It says nothing but "de".
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# --- Data -----------------------------------------------------------------------------------------------------------

DATABASES = {"default": env.database(local.database_url)}
DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.url("REDIS_URL", local.redis_url(), schemes=("redis", "rediss", "unix"))
CACHES = {"default": {"BACKEND": "config.cache.RedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.path("OIG_STATIC_ROOT", default=BASE_DIR / "staticfiles")
MEDIA_ROOT = env.path("OIG_MEDIA_ROOT", default=BASE_DIR / "media")
# Uploads come in where they stay: /tmp may be small, or memory. Django's own check says if the folder is missing.
FILE_UPLOAD_TEMP_DIR = MEDIA_ROOT / "incoming"
with suppress(OSError):
    FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# What admins may import by naming a path; where it is not set, nothing.
IMPORT_ROOT = env.path("OIG_IMPORT_ROOT", default=BASE_DIR) if env.given("OIG_IMPORT_ROOT") else None
# Where published snapshots live, and where they are offered for download from.
SNAPSHOT_ROOT = env.path("OIG_SNAPSHOT_ROOT", default=BASE_DIR / "snapshots")
# Named in manifests; where it is not set, git is asked.
CODE_REVISION = env.text("OIG_REVISION", default="")

# --- Work in the background -----------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
# What people wait for has a queue of its own, of which a worker's free process takes every second task: a crowd of
# imports before it does not matter. Declared here, so that a worker without --queues takes from both.
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("soon", "celery")]
CELERY_TASK_ROUTES = {name: {"queue": "soon"} for name in ("annotate.tasks.*", "sources.tasks.dispatch_jobs")}

# A job is a row in the database with a lease of its own. The worker renews it with every batch; when it lapses, beat
# hands the job to another worker. A task may run no longer than its hard limit, and no batch longer than the lease.
JOB_LEASE = timedelta(seconds=env.integer("OIG_JOB_LEASE_SECONDS", default=60, minimum=5, maximum=3600))
JOB_SWEEP = timedelta(seconds=env.integer("OIG_JOB_SWEEP_SECONDS", default=10, minimum=1, maximum=600))
LEASE_SWEEP = timedelta(seconds=env.integer("OIG_LEASE_SWEEP_SECONDS", default=15, minimum=1, maximum=600))
TALLY_SWEEP = timedelta(seconds=env.integer("OIG_TALLY_SWEEP_SECONDS", default=5, minimum=1, maximum=600))
CELERY_BEAT_SCHEDULE_FILENAME = str(local.directory() / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "release assignments whose lease has expired": {
        "task": "annotate.tasks.release_expired",
        "schedule": LEASE_SWEEP,
        "options": {"expires": LEASE_SWEEP.total_seconds()},
    },
    "fold votes into the pattern tables": {
        "task": "annotate.tasks.fold_votes",
        "schedule": TALLY_SWEEP,
        "options": {"expires": TALLY_SWEEP.total_seconds()},
    },
    "measure large campaigns": {
        "task": "annotate.tasks.measure_large_campaigns",
        "schedule": JOB_SWEEP,
        "options": {"expires": JOB_SWEEP.total_seconds()},
    },
    "open campaigns whose worker was lost": {
        "task": "annotate.tasks.open_requested_campaigns",
        "schedule": JOB_SWEEP,
        "options": {"expires": JOB_SWEEP.total_seconds()},
    },
    "dispatch jobs that wait or whose worker was lost": {
        "task": "sources.tasks.dispatch_jobs",
        "schedule": JOB_SWEEP,
        "options": {"expires": JOB_SWEEP.total_seconds()},
    },
}

# --- Limits ---------------------------------------------------------------------------------------------------------

INSTRUCTION_MAX_CHARACTERS = env.integer("OIG_INSTRUCTION_MAX_CHARACTERS", default=200_000, minimum=100)
INSTRUCTION_MAX_TURNS = env.integer("OIG_INSTRUCTION_MAX_TURNS", default=500, minimum=1)
INSTRUCTION_MAX_NESTING = env.integer("OIG_INSTRUCTION_MAX_NESTING", default=50, minimum=1, maximum=200)
IMPORT_MAX_ROWS = env.integer("OIG_IMPORT_MAX_ROWS", default=200_000_000, minimum=1)
IMPORT_MAX_LINE_BYTES = env.integer("OIG_IMPORT_MAX_LINE_BYTES", default=16_000_000, minimum=1_000)
IMPORT_MAX_STAGED_BYTES = env.integer("OIG_IMPORT_MAX_STAGED_BYTES", default=200_000_000_000, minimum=1_000_000)
IMPORT_CHUNK_BYTES = env.integer("OIG_IMPORT_CHUNK_BYTES", default=8_000_000, minimum=1_000, maximum=256_000_000)
REQUEST_MAX_BYTES = env.integer("OIG_REQUEST_MAX_BYTES", default=1_000_000, minimum=10_000)
UPLOAD_MAX_BYTES = env.integer("OIG_UPLOAD_MAX_BYTES", default=2_000_000_000, minimum=1_000)
ILLEGAL_REPORTS_PER_DAY = env.integer("OIG_ILLEGAL_REPORTS_PER_DAY", default=20, minimum=1)

# --- Downloads ------------------------------------------------------------------------------------------------------

# Default deny. These are the hub and GitHub with the hosts that their files come from; docs/downloads.md says why.
DOWNLOAD_HOSTS = env.names(
    "OIG_DOWNLOAD_HOSTS",
    default=[
        "huggingface.co",
        "*.huggingface.co",
        "*.hf.co",
        "github.com",
        "raw.githubusercontent.com",
        "media.githubusercontent.com",
        "objects.githubusercontent.com",
        "release-assets.githubusercontent.com",
    ],
    form=r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    such_as="example.org or *.example.org",
)
DOWNLOAD_EXCEPTIONS = env.names(
    "OIG_DOWNLOAD_EXCEPTIONS",
    form=r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[1-9][0-9]{0,4}",
    such_as="mirror.example.org:8443 or [::1]:8443",
)
DOWNLOAD_CA_FILE = env.text("OIG_DOWNLOAD_CA_FILE", default="")
DOWNLOAD_MAX_BYTES = env.integer("OIG_DOWNLOAD_MAX_BYTES", default=100_000_000_000, minimum=1_000)
DOWNLOAD_KEEP_FREE_BYTES = env.integer("OIG_DOWNLOAD_KEEP_FREE_BYTES", default=1_000_000_000, minimum=0)
DOWNLOAD_CONNECT_SECONDS = env.integer("OIG_DOWNLOAD_CONNECT_SECONDS", default=10, minimum=1, maximum=60)
DOWNLOAD_IDLE_SECONDS = env.integer("OIG_DOWNLOAD_IDLE_SECONDS", default=20, minimum=1, maximum=300)
HF_ENDPOINT = env.url("OIG_HF_ENDPOINT", "https://huggingface.co", schemes=("https",)).rstrip("/")
HF_TOKEN = env.text("OIG_HF_TOKEN", default="")

# --- Words to strangers ---------------------------------------------------------------------------------------------

CONTACT_EMAIL = env.text("OIG_CONTACT_EMAIL", default="")

LOG_LEVEL = env.choice("OIG_LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # It logs each address it asks, and those of file hosts hold signatures that are as good as a password.
    "loggers": {"httpx2": {"level": "WARNING"}},
}

"""How gunicorn serves the site, in the demo, the image and the tests: `gunicorn --config python:config.gunicorn`."""

from pathlib import Path

from config import env

wsgi_app = "config.wsgi"
worker_class = "gthread"
workers = env.integer("OIG_WEB_PROCESSES", 2, minimum=1, maximum=64)
threads = env.integer("OIG_WEB_THREADS", 4, minimum=1, maximum=64)
# The workers' heartbeat is a file; on a disk a slow fsync would look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# It would lie in the home folder, which the image has none of, and be shared by every gunicorn of this user.
control_socket_disable = True

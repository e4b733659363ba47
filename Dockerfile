# One image for the web server, the worker, beat and the migrations; docker-compose.yml says which is which.

FROM python:3.12.12-slim-bookworm AS packages
COPY requirements/runtime.txt /tmp/runtime.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/runtime.txt

FROM python:3.12.12-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    OIG_STATIC_ROOT=/srv/static \
    OIG_MEDIA_ROOT=/srv/media \
    OIG_SNAPSHOT_ROOT=/srv/snapshots
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin oig \
    && install --directory --owner oig --group oig /srv/media /srv/media/incoming /srv/snapshots
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# The key signs nothing here: a running container refuses to start without one of its own.
RUN OIG_SECRET_KEY=only-to-collect-the-static-files-in-the-image python manage.py collectstatic --noinput
# Named in the manifest of every snapshot: docker compose build --build-arg OIG_REVISION=$(git rev-parse --short=12 HEAD)
ARG OIG_REVISION=""
ENV OIG_REVISION=$OIG_REVISION
USER oig
EXPOSE 8000
CMD ["gunicorn", "--config", "python:config.gunicorn", "--bind", "0.0.0.0:8000"]

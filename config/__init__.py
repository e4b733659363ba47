"""The project package. Its Celery application is the one that every process sends tasks through."""

from config.celery import app as celery_app

__all__ = ("celery_app",)

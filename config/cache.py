"""Django's cache in Redis, with one client for each server instead of one for each question."""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
from django.core.cache.backends import redis as django_redis


class Client(django_redis.RedisCacheClient):
    """A client holds nothing but its pool and may be shared by threads; making it takes longer than a question does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._client = cache(redis.Redis)


class RedisCache(django_redis.RedisCache):
    """What settings name."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = Client

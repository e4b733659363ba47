"""Django's cache in Redis, with one client for each server instead of one for each question."""

from __future__ import annotations

from typing import Any

import redis
from django.core.cache.backends import redis as django_redis


class Client(django_redis.RedisCacheClient):
    """A client holds nothing but its pool, may be shared by threads, and takes as long to make as a question takes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clients: dict[int, redis.Redis] = {}

    def get_client(self, key: str | None = None, *, write: bool = False) -> redis.Redis:
        """The client of the server that ``key`` is read from or written to."""
        number = self._get_connection_pool_index(write)
        if number not in self._clients:
            self._clients[number] = super().get_client(key, write=write)
        return self._clients[number]


class RedisCache(django_redis.RedisCache):
    """What settings name."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = Client

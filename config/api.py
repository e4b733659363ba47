"""What every view of the API does unless it says otherwise."""

from __future__ import annotations

from typing import Any, override

from rest_framework import authentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of somebody who signed in on the pages.

    Without a word for the header WWW-Authenticate, REST framework would answer a stranger 403 instead of 401.
    """

    @override
    def authenticate_header(self, request: Request) -> str:
        return "Session"


class Nobody(BasePermission):
    """Default deny: a view that names no permission lets nobody in."""

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        return False

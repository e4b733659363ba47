"""The one HTTP client of downloads: whatever uses it, plain downloads or huggingface_hub, cannot go round the guard.

The guard judges every request, redirects included; the name is looked up once, all its addresses are checked, and the
connection goes to one of those, with TLS verified for the name. No proxy, no certificate and no password comes from the
environment. What fails is said in the words of this project, so that no library retries or waits on its own.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import override

import httpcore2
import httpx2
from django.conf import settings

from sources.origins.errors import OriginRefused, TemporaryFailure
from sources.origins.guard import Guard, shown

REDIRECTS = 5
# What httpx2 or huggingface_hub read into memory by themselves: bodies of redirects, lists of files, errors.
WHOLE_BYTES = 64_000_000
# What a request costs of that besides its answer: a list must not have endless pages either.
REQUEST_BYTES = 10_000
# The server is busy or ill: 408, 425, 429 and the 500s that pass.
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)


def open_client(tick: Callable[[], None], max_bytes: float = math.inf) -> httpx2.Client:
    """A guarded client that follows a few redirects; ``tick`` is called with every block that arrives.

    No more than ``max_bytes`` come in all its answers: who reads them whole needs such a limit.
    """
    return httpx2.Client(
        transport=_Transport(Guard.of_settings(), tick, max_bytes),
        follow_redirects=True,
        max_redirects=REDIRECTS,
        headers={"accept-encoding": "identity", "user-agent": "oig-safety"},
        trust_env=False,
    )


def hub_origin() -> httpx2.URL:
    """Where the hub is: OIG_HF_ENDPOINT."""
    return httpx2.URL(settings.HF_ENDPOINT)


class _Transport(httpx2.HTTPTransport):
    def __init__(self, guard: Guard, tick: Callable[[], None], max_bytes: float) -> None:
        context = _tls()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(ssl_context=context, network_backend=_Backend(guard, tick))
        self._guard, self._tick, self._allowance = guard, tick, _Allowance(max_bytes)

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._guard.check(request.url)
        _authorize(request)
        # huggingface_hub asks without any time-out.
        idle = float(settings.DOWNLOAD_IDLE_SECONDS)
        connect = float(settings.DOWNLOAD_CONNECT_SECONDS)
        request.extensions["timeout"] = {"connect": connect, "read": idle, "write": idle, "pool": idle}
        self._tick()
        try:
            response = super().handle_request(request)
        except httpx2.TransportError as error:
            raise _failure(request.url, error) from error
        if response.status_code in TEMPORARY:
            response.close()
            problem = f"the server answers {response.status_code} {response.reason_phrase}".rstrip()
            raise TemporaryFailure(origin=shown(request.url), problem=problem, remedy="try again later")
        assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101 - for the type checker
        # Compressed bodies stay so: a small one may become a huge one.
        response.headers.pop("content-encoding", None)
        allowance = _Allowance(WHOLE_BYTES) if response.has_redirect_location else self._allowance
        allowance.take(request.url, REQUEST_BYTES)
        response.stream = _Body(request.url, response.stream, self._tick, allowance)
        return response


class _Allowance:
    def __init__(self, left: float) -> None:
        self._left = left

    def take(self, url: httpx2.URL, size: int) -> None:
        self._left -= size
        if self._left < 0:
            problem = "the answer is longer than any list of files"
            raise OriginRefused(origin=shown(url), problem=problem, remedy="check the address")


class _Body(httpx2.SyncByteStream):
    def __init__(
        self, url: httpx2.URL, stream: httpx2.SyncByteStream, tick: Callable[[], None], allowance: _Allowance
    ) -> None:
        self._url, self._stream, self._tick, self._allowance = url, stream, tick, allowance

    @override
    def __iter__(self) -> Iterator[bytes]:
        try:
            for block in self._stream:
                self._tick()
                self._allowance.take(self._url, len(block))
                yield block
        except httpx2.TransportError as error:
            raise _failure(self._url, error) from error

    @override
    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore2.SyncBackend):
    def __init__(self, guard: Guard, tick: Callable[[], None]) -> None:
        self._guard, self._tick = guard, tick

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in self._guard.addresses(host, port):
            self._tick()
            try:
                # An address, so nothing looks the name up again.
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


def _authorize(request: httpx2.Request) -> None:
    """The hub, and nobody else, gets the token: whatever credentials a redirect carried along are dropped."""
    request.headers.pop("authorization", None)
    if settings.HF_TOKEN and request.url.origin == hub_origin().origin:
        request.headers["authorization"] = f"Bearer {settings.HF_TOKEN}"


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.DOWNLOAD_CA_FILE:
        try:
            context.load_verify_locations(settings.DOWNLOAD_CA_FILE)
        except OSError as error:
            problem = f"the certificates of OIG_DOWNLOAD_CA_FILE cannot be read ({error.strerror or error})"
            remedy = "name a file with certificates in PEM"
            raise OriginRefused(origin=settings.DOWNLOAD_CA_FILE, problem=problem, remedy=remedy) from None
    return context


def _failure(url: httpx2.URL, error: Exception) -> OriginRefused | TemporaryFailure:
    certificate = _certificate_problem(error)
    if certificate:
        remedy = "check the address, or name the certificates of a private authority in OIG_DOWNLOAD_CA_FILE"
        return OriginRefused(origin=shown(url), problem=f"its certificate is refused ({certificate})", remedy=remedy)
    problem = f"the connection failed ({_words(error)})"
    return TemporaryFailure(origin=shown(url), problem=problem, remedy="try again later")


def _certificate_problem(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""


def _words(error: Exception) -> str:
    match error:
        case httpx2.ConnectTimeout():
            return f"no connection within {settings.DOWNLOAD_CONNECT_SECONDS} s"
        case httpx2.TimeoutException():
            return f"nothing came for {settings.DOWNLOAD_IDLE_SECONDS} s"
    return str(error) or type(error).__name__

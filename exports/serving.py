"""Files that never change, as HTTP serves them: whole or a range, checked by their sha256, a block in memory at a time.

Ranges are those of RFC 9110, one at a time; of several, the whole file is given, which it allows. ``If-Range`` with the
ETag, as curl and browsers send it, never joins the beginning of one file to the end of another.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import Final

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from whitenoise.responders import SlicedFile

TYPE: Final = "application/octet-stream"
# 18 digits are more bytes than any disk has.
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class BlockResponse(FileResponse):
    """A file in blocks that cost few calls of the system."""

    block_size = 1 << 16


def serve(request: HttpRequest, path: Path, name: str, sha256: str) -> HttpResponseBase:
    """The answer to GET or HEAD of a file with this digest, to be saved as ``name``. Raises OSError if it is gone."""
    size, etag = path.stat().st_size, f'"{sha256}"'
    known = get_conditional_response(request, etag=etag)
    if known is not None:
        known["ETag"] = etag
        return known
    found = _asked(request, size, etag)
    if found is None:
        response = _body(request, path, name, range(size))
    elif not found:
        response = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, content_type="text/plain")
        response["Content-Range"] = f"bytes */{size}"
    else:
        response = _body(request, path, name, found)
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {found.start}-{found.stop - 1}/{size}"
    response["Accept-Ranges"], response["ETag"] = "bytes", etag
    # Caches ask whether it was withdrawn.
    response["Cache-Control"] = "no-cache"
    return response


def _asked(request: HttpRequest, size: int, etag: str) -> range | None:
    """Which bytes are asked for: none if they are past the end; None means the whole file."""
    asked = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if request.method != "GET" or not asked or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def _body(request: HttpRequest, path: Path, name: str, part: range) -> HttpResponseBase:
    """The headers of a part, and the part itself, if that is asked for: not every server drops the body of a HEAD."""
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type=TYPE)
    else:
        response = BlockResponse(SlicedFile(path.open("rb"), part.start, part.stop - 1), content_type=TYPE)
    # Never rendered by a browser on this host: the texts in it are hostile.
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    response["Content-Length"] = str(len(part))
    return response

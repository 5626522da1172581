"""The files of the built dashboard, and a plain page when it was not built."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from services.notifier.api.web import ApiError

NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<title>Smart Parking</title>
<h1>Smart Parking</h1><p>The notifier runs, but the dashboard was not built yet. In the project's
folder: <code>make dashboard</code>, then load this page again.</p>
<p>The API works: <a href="/api/sites">/api/sites</a>, <a href="/openapi.json">/openapi.json</a>,
<a href="/readyz">/readyz</a>.</p></html>
"""
# The build puts a content hash into the names of the files in assets/.
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
OTHERS: Final = ("api", "ws", "healthz", "readyz", "metrics", "openapi.json", "asyncapi.yaml")
# The page keeps its state after a #, so it has only one path.
PAGES: Final = ("", "index.html")
NOT_FOUND: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Not found - Smart Parking</title>
<h1>Not found</h1><p>There is no page at this address. <a href="/">To the dashboard</a></p>
</html>
"""


NO_SOURCE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Source code - Smart Parking</title>
<h1>Source code</h1><p>Smart Parking is free software under the AGPL-3.0: its
operator gives you its source code. On this server the address is not set
(<code>SOURCE_URL</code>): ask the operator for it.</p></html>
"""


def dashboard_routes(folder: Path, source_url: str = "") -> APIRouter:
    """Return the routes. `/source` redirects to the source code (AGPL-3.0, section 13). Other paths
    answer with a file of `folder`, or with its index.html for the page itself. For missing files
    people get a page and programs get JSON."""
    router = APIRouter()
    root = folder.resolve()

    @router.get("/source", include_in_schema=False)
    async def source() -> Response:
        if source_url:
            return RedirectResponse(source_url, 302, headers={"Cache-Control": ASK_AGAIN})
        return HTMLResponse(NO_SOURCE, headers={"Cache-Control": ASK_AGAIN})

    @router.get("/{path:path}", include_in_schema=False)
    async def page(path: str) -> Response:
        if path.lower().lstrip("/").split("/")[0] in OTHERS:
            raise ApiError(404, "not-found", f"there is no /{path}")
        file = _file(root, path)
        if file is not None:
            hashed = path.startswith("assets/")
            return FileResponse(file, headers={"Cache-Control": FOR_EVER if hashed else ASK_AGAIN})
        if "." in path.rsplit("/", 1)[-1] and path not in PAGES:
            raise ApiError(404, "not-found", f"there is no /{path}")
        if path not in PAGES:
            return HTMLResponse(NOT_FOUND, 404, headers={"Cache-Control": ASK_AGAIN})
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_AGAIN})
        return FileResponse(index, headers={"Cache-Control": ASK_AGAIN})

    return router


def _file(root: Path, path: str) -> Path | None:
    """Return the file at that path below `root`, or None if there is none or if the path cannot be
    a file's, because a part of it is too long or contains a NUL."""
    try:
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):
        return None

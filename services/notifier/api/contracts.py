"""Serve the contracts for programs (the AsyncAPI document and the events' schemas), and the
documents for people to which the page links."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, RedirectResponse, Response

from services.notifier.api.web import ApiError

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "schemas"
DOCS: Final = ROOT / "docs"
_TYPES: Final = {".json": "application/json", ".yaml": "application/yaml"}


def contract_routes(folder: Path = FOLDER, docs: Path = DOCS) -> APIRouter:
    """Return the routes `/schemas/...` (so that the documents' references to each other work),
    `/asyncapi.yaml`, and `/docs/NAME.md` as plain text."""
    router = APIRouter()
    known = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in _TYPES}

    @router.get("/asyncapi.yaml", include_in_schema=False)
    async def asyncapi() -> Response:
        return RedirectResponse("/schemas/asyncapi.yaml")

    @router.get("/schemas/{name}", include_in_schema=False)
    async def schema(name: str) -> Response:
        file = known.get(name)
        if file is None:
            raise ApiError(
                404,
                "not-found",
                f"there is no schema {name!r}; the schemas are {', '.join(sorted(known))}",
            )
        return FileResponse(file, media_type=_TYPES[file.suffix])

    documents = {path.name: path for path in docs.glob("*.md")}

    @router.get("/docs/{name}", include_in_schema=False)
    async def document(name: str) -> Response:
        file = documents.get(name)
        if file is None:
            raise ApiError(404, "not-found", f"there is no document {name!r} on this server")
        return FileResponse(file, media_type="text/plain; charset=utf-8")

    return router

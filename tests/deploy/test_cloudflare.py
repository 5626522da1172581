"""deploy/cloudflare: what Pages sends agrees with what the notifier sends."""

import tomllib

from services.notifier.api.web import HEADERS
from tools.stack.settings import ROOT

FOLDER = ROOT / "deploy" / "cloudflare"


def pages_headers() -> dict[str, str]:
    lines = (FOLDER / "pages" / "_headers").read_text("utf-8").splitlines()
    start = lines.index("/*") + 1
    section = lines[start : lines.index("", start)]
    return dict(line.strip().split(": ", 1) for line in section)


def test_pages_sends_the_notifiers_headers() -> None:
    sent = pages_headers()
    for name, value in HEADERS.items():
        if name != "Content-Security-Policy":
            assert sent[name] == value


def test_the_policy_is_the_notifiers_and_the_apis_host() -> None:
    def parts(policy: str) -> dict[str, set[str]]:
        split = [part.split() for part in policy.split(";")]
        return {name: set(sources) for name, *sources in split}

    ours = parts(HEADERS["Content-Security-Policy"])
    pages = parts(pages_headers()["Content-Security-Policy"])
    api, socket = "https://api.parking.example", "wss://api.parking.example"
    assert pages.pop("connect-src") == {"'self'", api, socket}
    assert pages["img-src"] - ours["img-src"] == {api}
    assert pages | {"img-src": ours["img-src"]} == ours


def test_wrangler_takes_the_built_dashboard() -> None:
    config = tomllib.loads((FOLDER / "wrangler.toml").read_text("utf-8"))
    folder = (FOLDER / config["pages_build_output_dir"]).resolve()
    assert folder == ROOT / "dashboard" / "dist"

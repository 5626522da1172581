"""Provisioning: the questions, the checks and the page, shared by serial line and portal.

No I/O: the portal (portal.py) and the serial line pass in a person's answers and show the result.
"""

import json

from app import boots, config


def accept(given, now_s, chance):
    """Turn a person's answers (a dict whose values may be text) into (configuration, problems). An
    empty answer means the pasted value or the default. `now_s` is the time of the phone or
    computer, where the boot counter begins (boots.py)."""
    made, wrong = _pasted(given.get("config", ""))
    if wrong:
        return None, [wrong]
    for name, value in given.items():
        value = value.strip() if isinstance(value, str) else value
        if value != "" and name != "config":
            made[name] = _typed(value, config.DEFAULTS.get(name, ""))
    try:
        boots.base(now_s, chance)
    except ValueError:
        return None, ["the clock of this phone or computer is wrong"]
    made["provisioned_at_s"], made["provisioned_chance"] = now_s, chance
    found = config.problems(made)
    return (None, found) if found else (config.filled(made), [])


def _pasted(words):
    """Parse the configuration that `parking devices add` made, pasted from its file or its QR
    code."""
    if not words.strip():
        return {}, None
    try:
        settings = json.loads(words)
    except ValueError:
        return {}, "the pasted configuration is not JSON"
    return (
        (settings, None)
        if isinstance(settings, dict)
        else ({}, "the configuration is no JSON object")
    )


_WORDS = {word: True for word in ("yes", "y", "true", "on", "1")}
_WORDS.update({word: False for word in ("no", "n", "false", "off", "0")})


def _typed(value, default):
    if isinstance(value, str):
        if isinstance(default, bool):  # other words stay text, which the check reports
            return _WORDS.get(value.lower(), value)
        if isinstance(default, (int, float)):
            try:
                return int(value)
            except ValueError:
                return value  # the check reports it
    return value


def parse_form(body):
    """Parse the fields of an application/x-www-form-urlencoded body (bytes or str)."""
    if not isinstance(body, str):
        body = bytes(body).decode()
    fields = {}
    for pair in body.split("&"):
        name, _, value = pair.partition("=")
        if name:
            fields[_unquoted(name)] = _unquoted(value)
    return fields


def _unquoted(words):
    out = bytearray()
    raw = words.replace("+", " ").encode()
    at = 0
    while at < len(raw):
        if raw[at] == 37 and at + 2 < len(raw):
            try:
                out.append(int(raw[at + 1 : at + 3], 16))
                at += 3
                continue
            except ValueError:
                pass  # a bare % stands for itself
        out.append(raw[at])
        at += 1
    return out.decode()


def escaped(words):
    """Escape text for HTML."""
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        words = words.replace(char, name)
    return words


def page(given=None, wrong=()):
    """The portal's page. Secrets are never written back into it. Its fields are empty and show
    defaults as placeholders, because a browser sends every field and a sent value overrides the
    pasted file."""
    rows = []
    for name, question, secret in config.FIELDS:
        value = "" if secret else escaped(str((given or {}).get(name, "")))
        if name == "ca":
            row = '<label>%s<textarea name="%s" rows=4>%s</textarea></label>'
            rows.append(row % (question, name, value))
            continue
        kind = "password" if secret else "text"
        row = '<label>%s<input name="%s" type="%s" value="%s" placeholder="%s"></label>'
        rows.append(row % (question, name, kind, value, standing(name)))
    settings = "".join("<p class=no>%s</p>" % escaped(one) for one in wrong)
    return _PAGE % (settings, "".join(rows))


def standing(name):
    """Return the default of a field as a person would type it."""
    value = config.DEFAULTS.get(name, "")
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


_PAGE = """<!doctype html><meta name=viewport content="width=device-width">
<title>Parking device</title>
<style>body{font:16px sans-serif;max-width:26em;margin:1em auto;padding:0 1em}label{display:block;
margin:.6em 0}input,textarea{width:100%%;font:inherit}.no{color:#a00}</style>
<h1>Parking device</h1>%s<form method=post action=/><label>Configuration file, or what its QR code
says (paste it; then only the Wi-Fi is needed, the board if it is another one, and the certificate
if it came by QR code)
<textarea name=config rows=4></textarea></label>%s
<input type=hidden name=now_s id=t><button>Save and connect</button></form>
<script>document.forms[0].onsubmit=function(){document.getElementById("t").value=
Math.floor(Date.now()/1000)}</script>"""

SAVED = "<!doctype html><title>Saved</title><p>Saved. The device restarts and connects."


def serial(write, read, chance):
    """Ask on a serial line until the answers are valid. Returns the configuration.

    `write(text)`; `read()` returns one line. An answer that begins with { is a whole pasted
    configuration. Of the earlier answers, only the Wi-Fi settings are kept. Raises EOFError when
    the input ends."""
    given = {}
    while True:
        write(
            "Parking device. Paste the configuration file, or answer; empty keeps [what stands].\n"
        )
        now_s = _ask(write, read, "Seconds since 1970 now (date +%s)", "")
        for name, question, secret in config.FIELDS:
            stands = given.get(name) or ("" if "config" in given else standing(name))
            answer = _ask(write, read, question, "" if secret or "\n" in stands else stands)
            if answer.startswith("{"):
                given = {one: given[one] for one in given if one.startswith("wifi_")}
                given["config"] = answer
                break
            if answer:
                given[name] = answer
        try:
            now_s = int(now_s)
        except ValueError:
            now_s = 0
        made, wrong = accept(given, now_s, chance)
        for one in wrong:
            write("! " + one + "\n")
        if made is not None:
            write("Saved. The device restarts and connects.\n")
            return made


def _ask(write, read, question, shown):
    write(question + (" [%s]" % shown if shown else "") + ": ")
    line = read()
    answer = line.strip()
    while line and answer.startswith("-----BEGIN") and "-----END" not in line:
        line = read()  # a certificate has many lines lines
        answer += "\n" + line.strip()
    if not line:
        raise EOFError
    return answer

"""Remove cameras and slots, and check that commands report their effects."""

from tools.cases import Verdict, case, verdict
from tools.cases.world import World


@case("ends", "a layout without slots takes its camera out of service, with its slots and counts")
def empty_layout(world: World) -> Verdict:
    """The camera stays and reports it."""
    world.layout("empty", "A1", "A2", camera="old")
    status = world.layout("empty", camera="old").status_code

    def reason() -> str:
        cameras = world.site("empty").get("cameras", [])
        return str(cameras[0]["reason"]) if cameras else ""

    world.until(lambda: reason() == "out-of-service")
    total = world.site("empty")["counts"]["total"]
    right = (status, total, reason()) == (200, 0, "out-of-service")
    return verdict(right, f"{status}, {total} slots, {reason()}")


@case("ends", "a camera can be removed, with the slots that only it sees and their counts")
def camera_gone(world: World) -> Verdict:
    """A camera is replaced by hand. The new one sees two of the old one's three slots."""
    world.layout("lot2", "A1", "A2", "A3", camera="old")
    world.layout("lot2", "A1", "A2", camera="new")
    world.until(lambda: len(world.site("lot2").get("cameras", [])) == 2)
    status = world.api.delete("/api/cameras/lot2/old").status_code

    def cameras() -> list[str]:
        return [one["camera_id"] for one in world.site("lot2").get("cameras", [])]

    world.until(lambda: cameras() == ["lot2/new"])
    total = world.site("lot2")["counts"]["total"]
    right = (status, cameras(), total) == (202, ["lot2/new"], 2)
    return verdict(right, f"{status}, {cameras()}, {total} slots")


@case("ends", "a site can be removed, and comes back as a new one")
def site_gone(world: World) -> Verdict:
    """The site's open stays are ended."""
    world.layout("lot3", "A1")
    world.api.post("/api/sessions/entry", json={"site_id": "lot3"})
    world.until(lambda: world.site("lot3").get("open_sessions") == 1)
    status = world.api.delete("/api/sites/lot3").status_code
    gone = world.until(lambda: not world.site("lot3"))
    world.layout("lot3", "A1")
    back = world.until(lambda: world.site("lot3").get("counts", {}).get("unknown") == 1)
    stays = world.site("lot3").get("open_sessions")
    right = status == 202 and gone and back and stays == 0
    return verdict(right, f"{status}, gone {gone}, back {back}, {stays} stays")


@case("ends", "a command for a missing slot reports it and exits with a status other than 0")
def no_such_slot(world: World) -> Verdict:
    """The command used to print "sent"."""
    world.layout("effects", "A1")
    status, said = world.command("tools.cli", "slot", "close", "nosuch", "X9")
    other, more = world.command("tools.cli", "slot", "close", "effects", "X9")
    right = status != 0 and other != 0 and "sent" not in said + more and "no slot 'X9'" in more
    return verdict(right, f"{status} {said} {other} {more}")


@case("ends", "a command reports its effect, and when nothing changed")
def refusals(world: World) -> Verdict:
    """Send the same command twice."""
    world.layout("effects", "A1")
    world.until(lambda: world.site("effects").get("counts", {}).get("total") == 1)
    status, said = world.command("tools.cli", "slot", "close", "effects", "A1", "--reason", "paint")
    again, more = world.command("tools.cli", "slot", "close", "effects", "A1")
    right = (status, again) == (0, 0) and "-> closed (paint)" in said and "already closed" in more
    return verdict(right, f"{status} {said} {again} {more}")


@case("ends", "a camera is renamed, moved to another device and removed at the command line")
def by_command(world: World) -> Verdict:
    """Its slots stay in service."""
    world.layout("cli", "A1", camera="old")
    steps = [
        ("camera", "rename", "cli/old", "Am Mast"),
        ("camera", "move", "cli/old", "cli/new"),
        ("slot", "rename", "cli", "A1", "B1"),
        ("site", "rename", "cli", "Platz"),
        ("zone", "rename", "cli", "Z", "Reihe"),
    ]
    answers = [world.command("tools.cli", *step) for step in steps]

    def shown() -> tuple[object, ...]:
        site = world.site("cli")
        names = [(one["camera_id"], one["name"]) for one in site.get("cameras", [])]
        slots = [one["slot_id"] for one in site.get("slots", [])]
        return site.get("name"), names, slots

    wanted = ("Platz", [("cli/new", "Am Mast")], ["B1"])
    world.until(lambda: shown() == wanted)
    ended = world.command("tools.cli", "site", "remove", "cli")[0]
    gone = world.until(lambda: not world.site("cli"))
    right = all(status == 0 for status, _ in answers) and ended == 0 and gone
    return verdict(right, f"{shown()} {[one for one in answers if one[0]]} gone {gone}")

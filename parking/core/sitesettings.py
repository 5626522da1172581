"""The settings of a site, which its layouts carry. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from parking.core.events import LayoutPublished, SiteSettings


def site_settings(layouts: Iterable[LayoutPublished]) -> SiteSettings | None:
    """Return the settings of the site with these layouts, taken from the latest layout that has
    any, or None if none has."""
    having = [one for one in layouts if one.site is not None and not one.removed]
    newest = max(having, key=lambda one: (one.time_ms, one.camera_id), default=None)
    return newest.site if newest else None


def with_settings_kept(layout: LayoutPublished, site: Iterable[LayoutPublished]) -> LayoutPublished:
    """Return the layout with its site's current settings, so that publishing a layout never changes
    them. `site` holds all layouts of the site. The first layout of a site keeps its own
    settings."""
    in_force = site_settings(site)
    return layout if in_force is None else replace(layout, site=in_force)

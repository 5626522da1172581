"""The settings of a site, which its layouts carry. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from parking.core.events import LayoutPublished, SiteSettings


def site_settings(layouts: Iterable[LayoutPublished]) -> SiteSettings | None:
    """Return the settings of the site with these layouts, taken from the newest layout that has
    any; None if none has."""
    having = [one for one in layouts if one.site is not None and not one.removed]
    newest = max(having, key=lambda one: (one.time_ms, one.camera_id), default=None)
    return newest.site if newest else None


def with_settings_kept(layout: LayoutPublished, site: Iterable[LayoutPublished]) -> LayoutPublished:
    """Return the layout with its site's settings in force (`site`: all its layouts), so that
    publishing a layout never changes them. The first layout of a site brings its own."""
    in_force = site_settings(site)
    return layout if in_force is None else replace(layout, site=in_force)

"""The HTTP interface: routes, bodies, errors. Only here is an HTTP status raised."""

"""The HTTP interface: routes, bodies and errors. HTTP statuses are raised only here."""

"""The archive of deploy/box's backups. It uses only the standard library, so it runs without an
installation."""

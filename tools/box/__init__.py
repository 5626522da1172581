"""The archive of deploy/box's backups, with the standard library only: it runs without an
installation."""

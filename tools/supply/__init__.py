"""The parts this software is built from, their licences and their known vulnerabilities."""

"""Rows and offsets to Postgres in one transaction; pictures as evidence to S3."""

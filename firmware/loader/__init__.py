"""The loader before the two images. It is never updated over the air."""

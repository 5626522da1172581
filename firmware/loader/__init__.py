"""The loader that starts one of the two images. It is never updated over the air."""

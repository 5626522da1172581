"""The documents: their links, and the site that `make docs` builds from them."""

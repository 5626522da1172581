"""Check the documents' links and build the site of `make docs`."""

"""What stands before the two images and is never updated over the air."""

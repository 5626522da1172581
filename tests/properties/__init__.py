"""Rules tried with thousands of generated histories: pure, but slower than tests/unit."""

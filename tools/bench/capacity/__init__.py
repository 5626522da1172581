"""How many cameras this computer serves: this code, the code before it, and a plain loop."""

"""Its place makes the helpers in this folder importable by every test (`from recorded import recorded`)."""

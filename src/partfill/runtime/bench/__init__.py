"""What the engine and the journal cost on this machine. Every figure is measured when asked for; nothing is stored."""

"""partfill: what filled, exactly, and what should happen to the rest."""

__version__ = "0.1.0"

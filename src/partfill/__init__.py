"""partfill: what filled, exactly, and what should happen to the rest."""

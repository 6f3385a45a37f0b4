-- Orders whose rows this file refused: they are in quarantine, and their rows are as they were before.

CREATE TABLE IF NOT EXISTS quarantined (
    child  INTEGER PRIMARY KEY,        -- number of the order
    parent INTEGER NOT NULL,           -- that it was placed for; 0: none
    seq    INTEGER NOT NULL,           -- the input that put it into quarantine
    why    TEXT    NOT NULL,           -- what the file said
    body   TEXT    NOT NULL            -- ids and terms, JSON (partfill.journal.isolate)
) STRICT;

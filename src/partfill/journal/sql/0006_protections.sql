-- What positions are protected with. The orders themselves are parents, whose ref begins with guard:, then the number here.

CREATE TABLE protections (
    id         INTEGER PRIMARY KEY,
    venue      TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    instrument TEXT    NOT NULL,
    side       TEXT    NOT NULL CHECK (side IN ('buy', 'sell')),    -- of the position: buy is long
    qty        TEXT    NOT NULL CHECK (substr(qty, 1, 1) <> '-'),   -- to be protected
    off        INTEGER NOT NULL CHECK (off IN (0, 1)),              -- 1: nobody wants it any more
    seq        INTEGER NOT NULL,       -- the last input that touched it
    state      TEXT    NOT NULL        -- legs, JSON (partfill.journal.protection_state)
) STRICT;

CREATE UNIQUE INDEX protections_one ON protections (venue, account, instrument, side) WHERE off = 0;

-- Positions: what all fills of an account in one instrument add up to.

CREATE TABLE positions (
    id         INTEGER PRIMARY KEY,
    venue      TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    instrument TEXT    NOT NULL,
    qty        TEXT    NOT NULL,       -- above zero: long
    avg_px     TEXT,                   -- of entry; to show: 28 digits
    paid       TEXT    NOT NULL,       -- for all that was bought less what was got for all that was sold, exact
    cost       TEXT    NOT NULL,       -- what the open quantity was entered at
    realised   TEXT    NOT NULL,       -- of what is closed, before fees
    fees       TEXT    NOT NULL,       -- per currency, JSON
    rounds     INTEGER NOT NULL CHECK (rounds >= 0),
    since      INTEGER NOT NULL,       -- when it was opened, ns UTC
    changed    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,       -- the last input that touched it
    state      TEXT    NOT NULL,       -- the last fills, JSON (partfill.journal.position_state)
    CONSTRAINT a_position_is_one UNIQUE (venue, account, instrument)
) STRICT;

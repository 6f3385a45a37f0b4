-- What is left of orders that were taken off because it was worth too little, and what became of it.

CREATE TABLE dust (
    parent     INTEGER PRIMARY KEY REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED,   -- the order that it is from
    venue      TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    instrument TEXT    NOT NULL,
    side       TEXT    NOT NULL CHECK (side IN ('buy', 'sell')),
    ref        TEXT    NOT NULL,       -- the user's own id of that order
    order_ids  TEXT    NOT NULL,       -- the venue's, JSON
    qty        TEXT    NOT NULL CHECK (substr(qty, 1, 1) <> '-'),
    price      TEXT    NOT NULL,       -- the user's
    use        TEXT    NOT NULL,       -- what may become of it
    since      INTEGER NOT NULL,       -- ns UTC
    state      TEXT    NOT NULL CHECK (state IN ('open', 'taken', 'gone', 'dropped')),
    taken_by   TEXT,                   -- ref of the order that asks for it now
    seq        INTEGER NOT NULL        -- the last input that touched it
) STRICT;

CREATE INDEX dust_open ON dust (since, parent) WHERE state = 'open';

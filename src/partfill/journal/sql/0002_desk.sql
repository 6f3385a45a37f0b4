-- Orders that partfill places itself: parent orders, and the desk's side of their children.

CREATE TABLE parents (
    id          INTEGER PRIMARY KEY,
    venue       TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    ref         TEXT    NOT NULL,      -- the user's own id
    instrument  TEXT    NOT NULL,
    side        TEXT    NOT NULL CHECK (side IN ('buy', 'sell')),
    order_qty   TEXT    NOT NULL CHECK (substr(order_qty, 1, 1) <> '-'),   -- asked for now; 0 for an order sized in cash
    price       TEXT,
    cum_qty     TEXT    NOT NULL CHECK (substr(cum_qty, 1, 1) <> '-'),
    avg_px      TEXT,                  -- over all children; to show: 28 digits
    children    INTEGER NOT NULL CHECK (children >= 0),
    done        TEXT,                  -- how it ended; NULL while it goes on
    open        INTEGER NOT NULL CHECK (open IN (0, 1)),
    updated     INTEGER NOT NULL,
    seq         INTEGER NOT NULL,      -- the last input that touched it
    state       TEXT    NOT NULL,      -- JSON (partfill.journal.desk_state)
    CONSTRAINT a_ref_is_one_order UNIQUE (venue, account, ref)
) STRICT;

CREATE INDEX parents_open ON parents (id) WHERE open = 1;

CREATE TABLE work (
    child  INTEGER PRIMARY KEY REFERENCES children (id) DEFERRABLE INITIALLY DEFERRED,
    parent INTEGER NOT NULL REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED,
    state  TEXT    NOT NULL            -- the request in flight and what to ask, JSON (partfill.journal.desk_state)
) STRICT;

CREATE INDEX work_parent ON work (parent, child);

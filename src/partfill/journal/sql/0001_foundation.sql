-- The journal and what is derived from it. All rows of one step are written in one transaction.
-- Quantities, prices and fees are exact decimal text; times are nanoseconds UTC.

CREATE TABLE journal (
    seq  INTEGER PRIMARY KEY,          -- 1, 2, 3, ... without a hole
    now  INTEGER NOT NULL,             -- when the input reached us
    body TEXT    NOT NULL              -- the input, JSON
) STRICT;

CREATE TABLE children (
    id              INTEGER PRIMARY KEY,
    venue           TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    order_id        TEXT,
    cl_ord_id       TEXT,
    instrument      TEXT,
    side            TEXT    CHECK (side IN ('buy', 'sell')),
    price           TEXT,
    ord_status      TEXT    NOT NULL,
    order_qty       TEXT    CHECK (substr(order_qty, 1, 1) <> '-'),
    cum_qty         TEXT    NOT NULL CHECK (substr(cum_qty, 1, 1) <> '-'),
    leaves_qty      TEXT    NOT NULL CHECK (substr(leaves_qty, 1, 1) <> '-'),
    canceled_qty    TEXT    CHECK (substr(canceled_qty, 1, 1) <> '-'),
    provisional_qty TEXT    NOT NULL CHECK (substr(provisional_qty, 1, 1) <> '-'),
    overfill_qty    TEXT    NOT NULL CHECK (substr(overfill_qty, 1, 1) <> '-'),
    notional        TEXT    NOT NULL,   -- exact value of the priced executions
    avg_px          TEXT,               -- to show: 28 digits
    executions      INTEGER NOT NULL CHECK (executions >= 0),
    flags           INTEGER NOT NULL,   -- bits of partfill.model.words.Flag; 4 is UNPRICED
    open            INTEGER NOT NULL CHECK (open IN (0, 1)),
    updated         INTEGER NOT NULL,
    seq             INTEGER NOT NULL,   -- the last input that touched it
    state           TEXT    NOT NULL,   -- what the executions do not hold, JSON (partfill.journal.state)
    CONSTRAINT filled_has_a_price CHECK (ord_status <> 'Filled' OR avg_px IS NOT NULL OR flags & 4)
) STRICT;

CREATE INDEX children_open ON children (id) WHERE open = 1;
CREATE INDEX children_instrument ON children (instrument, updated);

-- Every id that leads to an order: the venue's (order) and ours (client).
CREATE TABLE names (
    venue   TEXT    NOT NULL,
    account TEXT    NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('order', 'client')),
    name    TEXT    NOT NULL,
    child   INTEGER NOT NULL,
    PRIMARY KEY (venue, account, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
    child        INTEGER NOT NULL REFERENCES children (id) DEFERRABLE INITIALLY DEFERRED,
    ledger       INTEGER NOT NULL,      -- position of the venue order in the chain of the child
    key          TEXT    NOT NULL,      -- the venue's own identity
    qty          TEXT    CHECK (substr(qty, 1, 1) <> '-'),
    px           TEXT,
    fee          TEXT,
    fee_currency TEXT,
    void         INTEGER NOT NULL CHECK (void IN (0, 1)),
    leg          TEXT,
    venue_time   INTEGER,
    born         INTEGER NOT NULL,      -- order of arrival: seq * 65536 + place within the input
    seq          INTEGER NOT NULL,      -- the input that brought the newest version
    packed       TEXT,                  -- the row as the engine keeps it, where qty and px do not say it all
    CONSTRAINT an_execution_has_a_quantity CHECK (qty IS NOT NULL OR void),
    CONSTRAINT a_fee_has_a_currency CHECK (fee IS NULL OR fee_currency IS NOT NULL),
    PRIMARY KEY (child, ledger, key)
) STRICT, WITHOUT ROWID;

-- What changed on an order: JSON, [before, after], each [ord_status, order_qty, cum_qty, leaves_qty, value, flags], where
-- value is the exact value of the executions of the venue order that was touched. `audit_trail` spells it out. An order
-- that turned out to be another one keeps its rows under its old number.
CREATE TABLE audit (
    seq     INTEGER NOT NULL,
    child   INTEGER NOT NULL,
    changes TEXT    NOT NULL
) STRICT;

CREATE VIEW audit_trail AS
    SELECT audit.seq, journal.now, audit.child,
           changes->0->>0 AS ord_status_before, changes->1->>0 AS ord_status_after,
           changes->0->>1 AS order_qty_before,  changes->1->>1 AS order_qty_after,
           changes->0->>2 AS cum_qty_before,    changes->1->>2 AS cum_qty_after,
           changes->0->>3 AS leaves_qty_before, changes->1->>3 AS leaves_qty_after,
           changes->0->>4 AS value_before,      changes->1->>4 AS value_after,
           changes->0->>5 AS flags_before,      changes->1->>5 AS flags_after,
           journal.body AS input
    FROM audit JOIN journal USING (seq);

CREATE TABLE alarms (
    seq   INTEGER NOT NULL,
    child INTEGER NOT NULL,             -- 0: concerns no order
    kind  TEXT    NOT NULL,
    text  TEXT    NOT NULL
) STRICT;

-- Engine state that belongs to no order (next number, trading days, venue declarations).
CREATE TABLE engine (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    body TEXT NOT NULL
) STRICT;

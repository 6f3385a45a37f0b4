-- What of an order grows without end (ids of its chain, its venue orders, corrections): a row each, where there are many, so that
-- a report writes what it changes and nothing else. With the order stands what there is little of.

CREATE TABLE parts (
    child INTEGER NOT NULL,
    part  TEXT    NOT NULL,             -- what it is of the order; of a venue order of its chain: with its position behind a slash
    key   TEXT    NOT NULL,             -- which one: a place in a sequence, or a name
    body  TEXT    NOT NULL,             -- JSON (partfill.journal.parts)
    PRIMARY KEY (child, part, key)
) STRICT, WITHOUT ROWID;

-- Of the orders of an instrument. With the time in it, it was written with every report.
DROP INDEX IF EXISTS children_instrument;
CREATE INDEX children_instrument ON children (instrument);

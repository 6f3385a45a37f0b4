-- An id may have led to several orders, one after the other. Keys of messages that were applied stand in rows of their own:
-- what an order has seen is not written again with every report.

CREATE TABLE names_of_lives (
    venue   TEXT    NOT NULL,
    account TEXT    NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('order', 'client')),
    name    TEXT    NOT NULL,
    child   INTEGER NOT NULL,           -- the highest is the newest life
    PRIMARY KEY (venue, account, kind, name, child)
) STRICT, WITHOUT ROWID;

INSERT INTO names_of_lives SELECT venue, account, kind, name, child FROM names;
DROP TABLE names;
ALTER TABLE names_of_lives RENAME TO names;

CREATE TABLE seen (
    child INTEGER NOT NULL,
    name  TEXT    NOT NULL,             -- a message's key, what was answered, or which charge
    said  TEXT    NOT NULL,             -- what the message said, 16 hex digits; empty where that is not kept
    PRIMARY KEY (child, name)
) STRICT, WITHOUT ROWID;

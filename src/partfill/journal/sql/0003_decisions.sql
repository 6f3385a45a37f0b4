-- Every decision on the rest of a partly filled order, as it was reported.

CREATE TABLE decisions (
    number        INTEGER PRIMARY KEY,    -- order of reporting: seq * 65536 + place within the input
    report_id     TEXT    NOT NULL UNIQUE,
    trace_id      TEXT    NOT NULL,
    seq           INTEGER NOT NULL,       -- the input that led to it
    parent        INTEGER NOT NULL REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED,
    child         INTEGER NOT NULL,
    event         INTEGER NOT NULL,       -- what called for it, counted per parent
    verdict       TEXT    NOT NULL,       -- the first reason
    mode          TEXT    NOT NULL,
    carried_out   INTEGER NOT NULL CHECK (carried_out IN (0, 1)),
    filled_qty    TEXT    NOT NULL CHECK (substr(filled_qty, 1, 1) <> '-'),
    remaining_qty TEXT    NOT NULL CHECK (substr(remaining_qty, 1, 1) <> '-'),
    evaluated     INTEGER NOT NULL,       -- ns UTC
    body          TEXT    NOT NULL,       -- the report, JSON
    CONSTRAINT one_decision_per_event UNIQUE (parent, event)
) STRICT;

CREATE INDEX decisions_seq ON decisions (seq);

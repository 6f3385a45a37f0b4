-- What venues say of instruments, and results that follow from it. Until now no fee lowered what is held.

CREATE TABLE instruments (
    venue      TEXT    NOT NULL,
    instrument TEXT    NOT NULL,
    quote      TEXT,                   -- currency of prices
    base       TEXT,                   -- currency of one unit
    multiplier TEXT    NOT NULL,       -- quote currency per price point and unit
    PRIMARY KEY (venue, instrument)
) STRICT, WITHOUT ROWID;

ALTER TABLE positions ADD COLUMN held TEXT NOT NULL DEFAULT '0';    -- qty less the fees taken in the base asset
ALTER TABLE positions ADD COLUMN net  TEXT;    -- realised, with the multiplier and less fees, quote currency; null: cannot be told

-- Nobody had said what prices are in, so that only a result without fees can be told.
UPDATE positions SET
    held = qty,
    net = CASE WHEN fees = '{}' AND state->>0 = 0 THEN realised END,
    state = CASE WHEN json_array_length(state) = 6 THEN substr(state, 1, length(state) - 1) || ',null]' ELSE state END;

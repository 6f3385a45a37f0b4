-- How a batch is written: one statement, "INSERT INTO feed VALUES (...)", each column a JSON array of rows.
-- All of it is then a single call into SQLite, during which the interpreter's lock is free and the engine goes on; many
-- small statements hand that lock back and forth and cost twice as much. Only the wide rows of children go by themselves
-- (store.py): taking 23 values out of a JSON row costs more than binding them.
-- The order of the statements below is the order of writing.

CREATE TEMP VIEW feed (journal, merged, names, executions, unusual, dropped, audit, alarms, engine) AS
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TEMP TRIGGER feed_in INSTEAD OF INSERT ON feed BEGIN
    INSERT INTO journal (seq, now, body)
        SELECT value->>0, value->>1, value->>2 FROM json_each(NEW.journal);

    -- A parked order that turned out to be another one: its executions move, those the other had already are dropped.
    UPDATE OR IGNORE executions SET child = moved.value->>2, ledger = moved.value->>3 FROM json_each(NEW.merged) AS moved
        WHERE executions.child = moved.value->>0 AND executions.ledger = moved.value->>1;
    DELETE FROM executions WHERE child IN (SELECT value->>0 FROM json_each(NEW.merged));
    DELETE FROM children WHERE id IN (SELECT value->>0 FROM json_each(NEW.merged));

    INSERT OR REPLACE INTO names (venue, account, kind, name, child)
        SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(NEW.names);

    -- Ordinary fills, eight values a row; then the unusual ones, with all their columns.
    INSERT INTO executions (child, ledger, key, qty, px, venue_time, born, seq, void)
        SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, 0
        FROM json_each(NEW.executions) WHERE true
        ON CONFLICT (child, ledger, key) DO UPDATE SET
            qty = excluded.qty, px = excluded.px, venue_time = coalesce(excluded.venue_time, venue_time), seq = excluded.seq,
            fee = NULL, fee_currency = NULL, void = 0, packed = NULL;
    INSERT INTO executions (child, ledger, key, qty, px, venue_time, born, seq, fee, fee_currency, void, leg, packed)
        SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
               value->>10, value->>11, value->>12
        FROM json_each(NEW.unusual) WHERE true
        ON CONFLICT (child, ledger, key) DO UPDATE SET
            qty = excluded.qty, px = excluded.px, venue_time = coalesce(excluded.venue_time, venue_time), seq = excluded.seq,
            fee = excluded.fee, fee_currency = excluded.fee_currency, void = excluded.void, packed = excluded.packed;

    DELETE FROM executions WHERE (child, ledger, key) IN
        (SELECT value->>0, value->>1, value->>2 FROM json_each(NEW.dropped));

    INSERT INTO audit (seq, child, changes)
        SELECT value->>0, value->>1, value->>2 FROM json_each(NEW.audit);

    INSERT INTO alarms (seq, child, kind, text)
        SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(NEW.alarms);

    INSERT OR REPLACE INTO engine (one, body)
        SELECT 1, NEW.engine WHERE NEW.engine IS NOT NULL;
END;

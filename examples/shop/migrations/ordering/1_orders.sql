CREATE TABLE orders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    total_cents INTEGER NOT NULL CHECK (total_cents >= 0)
) STRICT;

-- What was sold, and for how much: a product may change its price later. It names the SKU and
-- refers to no table of the catalogue, which is a context of its own.
CREATE TABLE order_lines (
    order_id    INTEGER NOT NULL REFERENCES orders (id),
    position    INTEGER NOT NULL,
    sku         TEXT NOT NULL,
    quantity    INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

-- The first answer to each idempotency key, with the request that it answers.
CREATE TABLE idempotency_keys (
    key         TEXT PRIMARY KEY,
    request     TEXT NOT NULL,
    answer      TEXT NOT NULL,
    answered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (answered_at);

CREATE TABLE categories (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE products (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    sku         TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    category    INTEGER NOT NULL REFERENCES categories (id),
    -- The last line of defence: whatever the code does, nothing is sold that is not there.
    stock       INTEGER NOT NULL CHECK (stock >= 0)
) STRICT;

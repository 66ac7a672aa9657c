-- Times are milliseconds since 1970.
CREATE TABLE feeds (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    url           TEXT NOT NULL UNIQUE,
    -- What the feed says of itself, as JSON, without its items.
    about         TEXT NOT NULL,
    -- What its server wants to be reminded of: it answers 304 if nothing has changed since.
    etag          TEXT,
    last_modified TEXT,
    -- When it was last fetched and published; 0 if what was fetched last is not published.
    refreshed_at  INTEGER NOT NULL DEFAULT 0,
    -- Not before this moment, because the last attempts went wrong.
    retry_at      INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT,
    -- The tag of what was published.
    published     TEXT,
    -- Who refreshes it, and until when nobody else may.
    lease         TEXT,
    leased_until  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX feeds_by_age ON feeds (refreshed_at);

CREATE TABLE items (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    feed    INTEGER NOT NULL REFERENCES feeds (id) ON DELETE CASCADE,
    -- The id that the feed gives it.
    key     TEXT NOT NULL,
    -- When it was published; 0 for those without a date, which come last.
    sort_at INTEGER NOT NULL,
    item    TEXT NOT NULL,
    UNIQUE (feed, key)
) STRICT;

CREATE INDEX items_newest_first ON items (feed, sort_at DESC, id DESC);

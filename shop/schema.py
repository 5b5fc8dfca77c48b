"""The shop's tables on both engines, step by step: step n leads from schema version n to n + 1.

Never change a step that was released; add one. `order_counts` keeps the number of orders, since counting
them takes longer with every order; `product_terms` is the search index, written by `writing.py`; `facts`
holds what is true of the whole database, such as the version of that index, what is not in it yet, and the
zone of the days; `orders.day` is a day of that zone; `archived_orders` keeps the keys of orders that
`archive.py` has moved into files; `products.image` is the digest of a product's picture.
"""
# ruff: noqa: S608  the texts are put together from constants

from models import MAX_ID
from shop.errors import StoreUnavailableError

Steps = list[list[str]]


def _tables(integer: str, order_id: str, ordered_at: str, options: str = "") -> list[str]:
    return [
        f"""CREATE TABLE products (
            id {integer} PRIMARY KEY,
            name TEXT NOT NULL,
            price_cents {integer} NOT NULL CHECK (price_cents >= 0),
            description TEXT NOT NULL,
            search TEXT NOT NULL,
            stock {integer} NOT NULL CHECK (stock >= 0)
        )""",
        f"""CREATE TABLE orders (
            id {order_id},
            customer TEXT NOT NULL,
            total_cents {integer} NOT NULL,
            units {integer} NOT NULL,
            ordered_at {ordered_at} NOT NULL,
            idempotency_key TEXT UNIQUE
        )""",
        f"""CREATE TABLE order_items (
            order_id {integer} NOT NULL REFERENCES orders (id),
            line {integer} NOT NULL,
            product_id {integer} NOT NULL REFERENCES products (id),
            quantity {integer} NOT NULL CHECK (quantity > 0),
            unit_cents {integer} NOT NULL,
            PRIMARY KEY (order_id, line)
        ) {options}""",
    ]


def _search(integer: str, term: str, options: str = "") -> list[str]:
    return [
        "ALTER TABLE products ADD COLUMN keywords TEXT NOT NULL DEFAULT ''",  # a line each
        "ALTER TABLE products DROP COLUMN search",
        f"""CREATE TABLE product_terms (
            term {term} NOT NULL,
            place {integer} NOT NULL,
            product_id {integer} NOT NULL REFERENCES products (id),
            PRIMARY KEY (term, place, product_id)
        ) {options}""",
        "CREATE INDEX terms_of_product ON product_terms (product_id)",
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ]


def _ledger(integer: str, move_id: str, now: str) -> list[str]:
    """Tables of the ledger: every change of stock is a line, from the opening of today's shops on."""
    return [
        f"""CREATE TABLE moves (
            id {move_id},
            product_id {integer} NOT NULL REFERENCES products (id),
            change {integer} NOT NULL,
            kind TEXT NOT NULL
                CHECK (kind IN ('opening', 'purchase', 'cancellation', 'delivery', 'correction')),
            order_id {integer},
            reason TEXT NOT NULL DEFAULT '',
            moved_at TEXT NOT NULL,
            idempotency_key TEXT
        )""",
        f"""INSERT INTO moves (product_id, change, kind, moved_at)
            SELECT id, stock + COALESCE((SELECT CAST(sum(quantity) AS BIGINT) FROM order_items
                WHERE product_id = p.id), 0), 'opening', COALESCE((SELECT min(ordered_at) FROM orders), {now})
            FROM products p ORDER BY id""",
        """INSERT INTO moves (product_id, change, kind, order_id, moved_at)
            SELECT i.product_id, -CAST(sum(i.quantity) AS BIGINT), 'purchase', o.id, o.ordered_at
            FROM orders o JOIN order_items i ON i.order_id = o.id
            GROUP BY o.id, i.product_id, o.ordered_at ORDER BY o.id""",
        "CREATE INDEX moves_of_product ON moves (product_id, id)",
        "CREATE UNIQUE INDEX move_of_key ON moves (idempotency_key) WHERE idempotency_key IS NOT NULL",
        "ALTER TABLE orders ADD status TEXT NOT NULL DEFAULT 'placed'",
        "CREATE INDEX orders_cancelled ON orders (id) WHERE status = 'cancelled'",
        f"ALTER TABLE products ADD last_move {integer} NOT NULL DEFAULT 0",
    ]


# A line of `moves` changes the stock itself. Nothing else may: a program of before the ledger that still
# runs, or somebody with SQL, gets an error in place of a stock that nobody can explain.
_MOVE_STOCK = """UPDATE products SET stock = stock + NEW.change, last_move = NEW.id
    WHERE id = NEW.product_id;"""
_ONLY_BY_LINES = "stock changes by lines of moves only"

# After which statements a kind of thing has changed; see `changes.py`.
_CHANGES = {
    "products": ("INSERT ON products", "UPDATE OF name, price_cents, description, keywords ON products"),
    "stock": ("INSERT ON moves",),
    "orders": ("INSERT ON orders", "UPDATE ON orders"),
}

_COUNT_IN_SQLITE = "BEGIN UPDATE change_counts SET n = n + 1 WHERE kind = '{kind}'; END"
_COUNT_IN_POSTGRES = "FOR EACH STATEMENT EXECUTE FUNCTION count_change('{kind}')"


def _changes(slot_id: str, integer: str, then: str) -> list[str]:
    """Counters of changes, kept by triggers, so that no writer has to think of them."""
    return [
        f"CREATE TABLE change_counts (slot {slot_id}, kind TEXT NOT NULL, n {integer} NOT NULL)",
        "INSERT INTO change_counts (kind, n) VALUES ('products', 0), ('stock', 0), ('orders', 0)",
        *(
            f"CREATE TRIGGER count_{kind}_{event[:6]} AFTER {event} {then.format(kind=kind)}"
            for kind, events in _CHANGES.items()
            for event in events
        ),
    ]


# Counting a ledger takes longer with every line.
_COUNT_LINES = _MOVE_STOCK.replace("last_move = NEW.id", "last_move = NEW.id, moves = moves + 1")


def _count_lines(integer: str) -> list[str]:
    return [
        f"ALTER TABLE products ADD moves {integer} NOT NULL DEFAULT 0",
        "UPDATE products SET moves = (SELECT count(*) FROM moves m WHERE m.product_id = products.id)",
    ]


def _archive(integer: str, then: str) -> list[str]:
    return [
        f"CREATE TABLE archived_orders (order_id {integer} PRIMARY KEY, idempotency_key TEXT UNIQUE)",
        f"CREATE TRIGGER count_orders_DELETE AFTER DELETE ON orders {then.format(kind='orders')}",
    ]


def _pictures(integer: str, content: str) -> list[str]:
    # In a table of their own, which the lists of products need not read past.
    return [
        "ALTER TABLE products ADD image TEXT",
        f"""CREATE TABLE product_images (
            product_id {integer} PRIMARY KEY REFERENCES products (id),
            kind TEXT NOT NULL,
            content {content} NOT NULL
        )""",
    ]


_INDEXES = [
    "CREATE INDEX orders_newest ON orders (ordered_at, id)",
    "CREATE INDEX orders_of_customer ON orders (customer, ordered_at)",
    "CREATE INDEX items_of_product ON order_items (product_id, order_id, quantity, unit_cents)",
]

SQLITE: Steps = [
    _tables("INTEGER", "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT", "WITHOUT ROWID"),
    [
        *_INDEXES,
        "CREATE TABLE order_counts (slot INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
        "INSERT INTO order_counts SELECT 0, count(*) FROM orders",
        """CREATE TRIGGER order_added AFTER INSERT ON orders
            BEGIN UPDATE order_counts SET n = n + 1; END""",
        """CREATE TRIGGER order_removed AFTER DELETE ON orders
            BEGIN UPDATE order_counts SET n = n - 1; END""",
    ],
    _search("INTEGER", "TEXT", "WITHOUT ROWID"),
    ["ALTER TABLE orders ADD COLUMN day TEXT NOT NULL DEFAULT ''"],
    [
        *_ledger("INTEGER", "INTEGER PRIMARY KEY", "strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')"),
        f"CREATE TRIGGER stock_moved AFTER INSERT ON moves BEGIN {_MOVE_STOCK} END",
        f"""CREATE TRIGGER stock_guarded BEFORE UPDATE OF stock ON products
            WHEN NEW.stock <> OLD.stock AND NEW.last_move = OLD.last_move
            BEGIN SELECT RAISE(ABORT, '{_ONLY_BY_LINES}'); END""",
    ],
    _changes("INTEGER PRIMARY KEY", "INTEGER", _COUNT_IN_SQLITE),
    _archive("INTEGER", _COUNT_IN_SQLITE),
    [
        # What numbers its rows needs no counter, which every purchase would pay for: an archive keeps the
        # last line of each product.
        "DROP TRIGGER count_stock_INSERT",
        "DROP TRIGGER count_orders_INSERT",
        """CREATE VIEW changes AS SELECT kind, n + COALESCE(CASE kind
            WHEN 'stock' THEN (SELECT max(id) FROM moves)
            WHEN 'orders' THEN (SELECT seq FROM sqlite_sequence WHERE name = 'orders') END, 0) AS n
            FROM change_counts""",
        # Orders of an amount are sought from the newest on: in the index, until one is found.
        "DROP INDEX orders_newest",
        "CREATE INDEX orders_newest ON orders (ordered_at, id, total_cents)",
    ],
    [
        *_count_lines("INTEGER"),
        "DROP TRIGGER stock_moved",
        f"CREATE TRIGGER stock_moved AFTER INSERT ON moves BEGIN {_COUNT_LINES} END",
    ],
    _pictures("INTEGER", "BLOB"),
]

POSTGRES: Steps = [
    _tables("BIGINT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", 'TEXT COLLATE "C"'),
    [
        *_INDEXES,
        # Sixteen rows: with a single one, every purchase would wait for the commit of the one before it.
        "CREATE TABLE order_counts (slot BIGINT PRIMARY KEY, n BIGINT NOT NULL)",
        """INSERT INTO order_counts
            SELECT slot, (SELECT count(*) FROM orders WHERE id % 16 = slot)
            FROM generate_series(0, 15) slot""",
        """CREATE FUNCTION count_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP = 'INSERT' THEN UPDATE order_counts SET n = n + 1 WHERE slot = NEW.id % 16;
            ELSE UPDATE order_counts SET n = n - 1 WHERE slot = OLD.id % 16;
            END IF;
            RETURN NULL;
        END $$""",
        """CREATE TRIGGER order_counted AFTER INSERT OR DELETE ON orders
            FOR EACH ROW EXECUTE FUNCTION count_order()""",
    ],
    _search("BIGINT", 'TEXT COLLATE "C"'),
    ["""ALTER TABLE orders ADD COLUMN day TEXT COLLATE "C" NOT NULL DEFAULT ''"""],
    [
        *_ledger(
            "BIGINT",
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            """to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'""",
        ),
        f"""CREATE FUNCTION move_stock() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN {_MOVE_STOCK} RETURN NULL; END $$""",
        "CREATE TRIGGER stock_moved AFTER INSERT ON moves FOR EACH ROW EXECUTE FUNCTION move_stock()",
        f"""CREATE FUNCTION guard_stock() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '{_ONLY_BY_LINES}'; END $$""",
        """CREATE TRIGGER stock_guarded BEFORE UPDATE OF stock ON products FOR EACH ROW
            WHEN (NEW.stock <> OLD.stock AND NEW.last_move = OLD.last_move) EXECUTE FUNCTION guard_stock()""",
    ],
    [
        # Once a transaction, in a row that no other one holds: where nobody waits there is no deadlock.
        """CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF COALESCE(current_setting('shop.counted_' || TG_ARGV[0], true), '') = '' THEN
                PERFORM set_config('shop.counted_' || TG_ARGV[0], 'yes', true);
                UPDATE change_counts SET n = n + 1 WHERE slot = (
                    SELECT slot FROM change_counts WHERE kind = TG_ARGV[0]
                    LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
                IF NOT FOUND THEN INSERT INTO change_counts (kind, n) VALUES (TG_ARGV[0], 1); END IF;
            END IF;
            RETURN NULL;
        END $$""",
        *_changes("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BIGINT", _COUNT_IN_POSTGRES),
    ],
    _archive("BIGINT", _COUNT_IN_POSTGRES),
    ["CREATE VIEW changes AS SELECT kind, CAST(sum(n) AS BIGINT) AS n FROM change_counts GROUP BY kind"],
    [
        *_count_lines("BIGINT"),
        f"""CREATE OR REPLACE FUNCTION move_stock() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN {_COUNT_LINES} RETURN NULL; END $$""",
    ],
    _pictures("BIGINT", "BYTEA"),
]

# Known products keep their stock: it counts what was sold since. New ones get it by `OPENING`.
UPSERT_PRODUCT = """INSERT INTO products (id, name, price_cents, description, keywords, stock)
    VALUES (?1, ?2, ?3, ?4, ?5, 0)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents,
        description = excluded.description, keywords = excluded.keywords"""
OPENING = """INSERT INTO moves (product_id, change, kind, moved_at)
    SELECT CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), 'opening', ?3
    WHERE NOT EXISTS (SELECT 1 FROM moves WHERE product_id = CAST(?1 AS BIGINT))"""
NEW_PRODUCT = f"""INSERT INTO products (id, name, price_cents, description, stock)
    SELECT COALESCE(max(id), 0) + 1, '', 0, '', 0 FROM products p
    WHERE id < {MAX_ID} AND NOT EXISTS (SELECT 1 FROM products n WHERE n.id = p.id + 1)
    ON CONFLICT (id) DO NOTHING RETURNING id"""
NEW_FACT = "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING RETURNING name"
UPSERT_FACT = """INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


def steps_from(version: object, steps: Steps) -> Steps:
    """Return the steps that a database of this version still needs. Raise `StoreUnavailableError`."""
    if not isinstance(version, int) or version < 0:
        raise StoreUnavailableError("schema_unknown", version=version)
    if version > len(steps):
        raise StoreUnavailableError("schema_too_new", version=version, known=len(steps))
    return steps[version:]

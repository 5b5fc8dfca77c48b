"""The shop's tables on both engines, step by step: step n leads from schema version n to n + 1.

Never change a step that was released; add one. `order_counts` keeps the number of orders, since counting
them takes longer with every order; `product_terms` is the search index, written by `save_products` of the
engines; `facts` holds what is true of the whole database, such as the version of that index and the
zone of the days; `orders.day` is a day of that zone.
"""

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
]

# Known products keep their stock: it counts what was sold since.
UPSERT_PRODUCT = """INSERT INTO products (id, name, price_cents, description, keywords, stock)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents,
        description = excluded.description, keywords = excluded.keywords"""
UPSERT_FACT = """INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


def steps_from(version: int, steps: Steps) -> Steps:
    """Return the steps that a database of this version still needs. Raise `StoreUnavailableError`."""
    if version > len(steps):
        raise StoreUnavailableError("schema_too_new", version=version, known=len(steps))
    return steps[version:]

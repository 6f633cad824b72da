//! The database layer says the same on both engines.

use crate::world::Database;
use std::{path::Path, sync::Arc};
use turnpike::{
    clock::Clock,
    db::{Address, Db, Error, Sql, migrate},
    in_tx, params, sql,
    units::Volume,
    usage::page,
};

const PUT: Sql = sql!(
    "INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
);
const ADD: Sql = sql!("INSERT INTO installation (name, value) VALUES (?, ?)");
const GET: Sql = sql!("SELECT value FROM installation WHERE name = ?");

/// Every `sql!("…")` of the source, found by its spelling.
fn statements() -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("sql!(") {
                let rest = text[at + 5..].trim_start();
                let Some(literal) = rest.strip_prefix('"') else { continue };
                let end = literal.match_indices('"').find(|(i, _)| !literal[..*i].ends_with('\\')).unwrap().0;
                let joined = unescape(&literal[..end]);
                if joined.contains('…') || joined.contains("MySQL only") {
                    continue;
                }
                found.push((path.display().to_string(), &*joined.leak()));
            }
        }
    }
    found
}

/// A string literal's `\` at a line's end joins the lines, as the compiler does.
fn unescape(literal: &str) -> String {
    let mut out = String::new();
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'\n') {
            while chars.peek().is_some_and(|c| c.is_whitespace()) {
                chars.next();
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let database = Database::new().await;
    let all = statements();
    assert!(all.len() > 20, "only {} statements were found: is the search still right?", all.len());
    for (file, text) in all {
        let mut conn = database.db.begin().await.unwrap();
        if let Err(error) = conn.prepare(Sql::new(text)).await {
            panic!("{file}: {error}\n{text}");
        }
    }
}

/// What the server has rolled back is over: what is said on it after that would be committed by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_lost_a_deadlock_is_over() {
    let database = Database::new().await;
    if database.db.kind() == "SQLite" {
        return;
    }
    for name in ["one", "two"] {
        database.db.execute(ADD, params![name, "before"]).await.unwrap();
    }
    let (mut first, mut second) = (database.db.begin().await.unwrap(), database.db.begin().await.unwrap());
    first.execute(PUT, params!["one", "first"]).await.unwrap();
    second.execute(PUT, params!["two", "second"]).await.unwrap();
    let (a, b) =
        tokio::join!(first.execute(PUT, params!["two", "first"]), second.execute(PUT, params!["one", "second"]));
    let (lost, mut loser, winner, value) =
        if a.is_err() { (a, first, second, "second") } else { (b, second, first, "first") };
    assert!(lost.unwrap_err().is_retryable());
    assert!(matches!(loser.execute(PUT, params!["three", "loser"]).await, Err(Error::Cancelled)));
    assert!(matches!(loser.commit().await, Err(Error::Cancelled)));
    winner.commit().await.unwrap();
    let mut conn = database.db.read().await.unwrap();
    for (name, value) in [("one", Some(value)), ("two", Some(value)), ("three", None)] {
        let row = conn.one(GET, params![name]).await.unwrap();
        assert_eq!(row.map(|row| row.get::<String>("value").unwrap()).as_deref(), value, "{name}");
    }
}

/// Groups of all sizes are written whole, in their order.
#[tokio::test]
async fn a_batch_of_any_size_is_written_whole() {
    let database = Database::new().await;
    for size in [1_usize, 2, 3, 7, 63, 64, 99, 100, 101, 163, 200, 263] {
        let mut tx = database.db.begin().await.unwrap();
        tx.execute(sql!("DELETE FROM installation"), vec![]).await.unwrap();
        let rows = (0..size).map(|at| params![format!("name {at}"), at.to_string()]).collect();
        tx.batch(ADD, rows).await.unwrap();
        tx.commit().await.unwrap();
        let mut conn = database.db.read().await.unwrap();
        let mut found: Vec<usize> = Vec::new();
        for row in conn.rows(sql!("SELECT name, value FROM installation"), vec![]).await.unwrap() {
            let value: String = row.get("value").unwrap();
            assert_eq!(row.get::<String>("name").unwrap(), format!("name {value}"));
            found.push(value.parse().unwrap());
        }
        found.sort_unstable();
        assert_eq!(found, (0..size).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_migration_can_be_run_again_and_by_two_at_once() {
    let database = Database::bare().await;
    assert!(migrate::pending(&database.db).await.unwrap() > 0);
    let runs = (0..4).map(|_| {
        let address = database.address.clone();
        tokio::spawn(async move {
            let db = Db::open(&address).await.unwrap();
            migrate::run(&db, &Clock::System).await.unwrap()
        })
    });
    let mut steps = 0;
    for run in runs.collect::<Vec<_>>() {
        steps += run.await.unwrap().steps;
    }
    let again = migrate::run(&database.db, &Clock::System).await.unwrap();
    assert_eq!((again.steps, again.of), (0, steps));
    assert_eq!(migrate::pending(&database.db).await.unwrap(), 0);
}

#[tokio::test]
async fn a_migration_that_was_killed_goes_on() {
    let database = Database::new().await;
    // As if the process had died between a statement and the record of it.
    let forget = sql!(
        "UPDATE schema_step SET done_at = NULL WHERE step = (SELECT * FROM (SELECT MAX(step) FROM schema_step) AS last)"
    );
    database.db.execute(forget, vec![]).await.unwrap();
    let again = migrate::run(&database.db, &Clock::System).await;
    if cfg!(target_os = "linux") && database.db.kind() == "SQLite" {
        // There it cannot have happened: the schema and its record are one transaction.
        assert!(matches!(again, Err(Error::Defect(_))));
    } else {
        assert_eq!(again.unwrap().steps, 1);
    }
}

/// The columns that 0009 packs, as they were before it, with figures in them.
const BEFORE_PACKING: [Sql; 11] = [
    sql!("ALTER TABLE standing DROP COLUMN counter"),
    sql!("ALTER TABLE standing DROP COLUMN page"),
    sql!("ALTER TABLE standing ADD COLUMN down_bytes BIGINT NOT NULL DEFAULT 2147483648000"),
    sql!("ALTER TABLE standing ADD COLUMN up_bytes BIGINT NOT NULL DEFAULT 7"),
    sql!("ALTER TABLE standing ADD COLUMN down_packets BIGINT NOT NULL DEFAULT 255"),
    sql!("ALTER TABLE standing ADD COLUMN up_packets BIGINT NOT NULL DEFAULT 0"),
    sql!("ALTER TABLE standing ADD COLUMN day_down_bytes BIGINT NOT NULL DEFAULT 1000000000001"),
    sql!("ALTER TABLE standing ADD COLUMN day_up_bytes BIGINT NOT NULL DEFAULT 3"),
    sql!("ALTER TABLE standing ADD COLUMN day_counted_down_bytes BIGINT NOT NULL DEFAULT 500000000000"),
    sql!("ALTER TABLE standing ADD COLUMN day_counted_up_bytes BIGINT NOT NULL DEFAULT 2"),
    sql!("ALTER TABLE standing ADD COLUMN day_charged_bytes BIGINT NOT NULL DEFAULT 500000000002"),
];

#[tokio::test]
async fn what_was_counted_before_figures_were_packed_is_what_is_read_after() {
    let database = Database::new().await;
    let books = [
        sql!(
            "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, letters, ros_id, day) \
             VALUES (41, 0, 1, 0, 0, '*1A', '2026-11-20')"
        ),
        sql!(
            "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, letters) \
             VALUES (42, 0, 1, 0, 0)"
        ),
        sql!("DELETE FROM schema_step WHERE file = '0009_packed'"),
    ];
    for statement in books {
        database.db.execute(statement, vec![]).await.unwrap();
    }
    for change in BEFORE_PACKING {
        let mut tx = database.db.begin().await.unwrap();
        match tx.execute(change, vec![]).await {
            Ok(_) => tx.commit().await.unwrap(),
            // MySQL commits a change of the schema at once, and the transaction is over.
            Err(error) => assert!(error.is_retryable() && database.db.kind() != "SQLite", "{error}"),
        }
    }
    migrate::run(&database.db, &Clock::System).await.unwrap();
    let mut conn = database.db.read().await.unwrap();
    let open = page::find(&mut conn, 41).await.unwrap().unwrap();
    assert_eq!(open.day.to_string(), "2026-11-20");
    assert_eq!(open.moved.raw, Volume::new(1_000_000_000_001, 3));
    assert_eq!((open.moved.counted, open.charged.0), (Volume::new(500_000_000_000, 2), 500_000_000_002));
    assert_eq!(page::find(&mut conn, 42).await.unwrap(), None);
    let hex = sql!("SELECT HEX(counter) AS counter FROM standing WHERE ros_id IS NOT NULL");
    let counter: String = conn.one(hex, vec![]).await.unwrap().unwrap().get("counter").unwrap();
    assert_eq!(counter, format!("{:016X}{:016X}{:016X}{:016X}", 2_147_483_648_000_u64, 7, 255, 0));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = Database::new().await;
    let future =
        sql!("INSERT INTO schema_step (file, step, checksum, begun_at, done_at) VALUES ('9999_future', 1, 'x', 1, 1)");
    database.db.execute(future, vec![]).await.unwrap();
    let error = migrate::run(&database.db, &Clock::System).await.unwrap_err().to_string();
    assert!(error.contains("newer than this program"), "{error}");
}

#[tokio::test]
async fn a_dropped_transaction_changes_nothing() {
    let database = Database::new().await;
    let mut tx = database.db.begin().await.unwrap();
    tx.execute(PUT, params!["a", "1"]).await.unwrap();
    drop(tx);
    let mut conn = database.db.read().await.unwrap();
    assert!(conn.one(GET, params!["a"]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_cancelled_statement_kills_the_transaction_and_nothing_else() {
    let database = Database::new().await;
    let mut cancelled = 0;
    for _ in 0..500 {
        let mut tx = database.db.begin().await.unwrap();
        tx.execute(PUT, params!["a", "1"]).await.unwrap();
        // On SQLite, what is quickly said is said in one piece; so many rows are not.
        let mut polled = Box::pin(tx.batch(PUT, vec![params!["a", "2"]; 40]));
        // Now and then the other thread is done before the first look; that round shows nothing.
        let ready = futures_util::poll!(&mut polled).is_ready();
        drop(polled);
        if !ready {
            assert!(matches!(tx.execute(PUT, params!["a", "3"]).await, Err(Error::Cancelled)));
            cancelled += 1;
        }
        drop(tx);
        let mut conn = database.db.read().await.unwrap();
        assert!(conn.one(GET, params!["a"]).await.unwrap().is_none());
        if cancelled == 20 {
            return;
        }
    }
    panic!("no statement was caught in the middle");
}

#[tokio::test]
async fn keys_are_told_apart_and_duplicates_are_recognised() {
    let database = Database::new().await;
    let mut tx = database.db.begin().await.unwrap();
    assert!(tx.insert_once(ADD, params!["core-1", "x"]).await.unwrap());
    assert!(!tx.insert_once(ADD, params!["core-1", "y"]).await.unwrap());
    assert!(tx.insert_once(ADD, params!["CORE-1", "z"]).await.unwrap());
    tx.commit().await.unwrap();
    // An update that changes nothing still met its row.
    let same = sql!("UPDATE installation SET value = 'x' WHERE name = 'core-1'");
    assert_eq!(database.db.execute(same, vec![]).await.unwrap(), 1);
}

#[tokio::test]
async fn many_rows_go_in_one_batch() {
    let database = Database::new().await;
    for (round, count) in [(1, 1203), (2, 1203), (3, 500), (4, 1)] {
        let rows = (0..count).map(|n| params![format!("n{n}"), format!("{round}")]).collect();
        let mut tx = database.db.begin().await.unwrap();
        tx.batch(PUT, rows).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut conn = database.db.read().await.unwrap();
    let sum = sql!("SELECT COUNT(*) AS n FROM installation");
    let row = conn.one(sum, vec![]).await.unwrap().unwrap();
    assert_eq!(row.get::<i64>("n").unwrap(), 1203);
}

#[tokio::test]
async fn forty_writers_of_one_row_lose_nothing() {
    let database = Database::new().await;
    database.db.execute(ADD, params!["n", "0"]).await.unwrap();
    let db = Arc::new(database.db.clone());
    let writers = (0..40).map(|_| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            let done: Result<(), Error> = in_tx!(db, tx => {
                let get = sql!("SELECT value FROM installation WHERE name = ? /*! FOR UPDATE */");
                let value: i64 = tx.one(get, params!["n"]).await?.unwrap().get::<String>("value")?.parse().unwrap();
                tx.execute(PUT, params!["n", (value + 1).to_string()]).await?;
                Ok::<(), Error>(())
            });
            done.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut conn = database.db.read().await.unwrap();
    assert_eq!(conn.one(GET, params!["n"]).await.unwrap().unwrap().get::<String>("value").unwrap(), "40");
}

#[tokio::test]
async fn a_reading_connection_refuses_writes_on_sqlite() {
    let database = Database::new().await;
    let mut conn = database.db.read().await.unwrap();
    if database.db.kind() == "SQLite" {
        assert!(conn.execute(ADD, params!["a", "b"]).await.is_err());
    }
}

#[tokio::test]
async fn what_cannot_be_flushed_is_not_called_committed() {
    let database = Database::new().await;
    let Address::Sqlite(path) = &database.address else { return };
    let put = async |name: &str| {
        let mut tx = database.db.begin().await?;
        tx.execute(ADD, params![name, "x"]).await?;
        tx.commit().await
    };
    put("before").await.unwrap();
    // As with a disk that fails: the log cannot be flushed any more.
    std::fs::remove_file(path.with_extension("db-wal")).unwrap();
    for name in ["then", "later"] {
        let error = put(name).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if text.contains("flushed")), "{error}");
    }
    // Who watches the service learns that it waits for a restart.
    database.db.check_disk().unwrap_err();
    let error = database.db.execute(ADD, params!["alone", "x"]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    // Leases need not outlive the machine, and wait for no disk.
    let mut tx = database.db.begin_unflushed().await.unwrap();
    tx.execute(ADD, params!["lease", "x"]).await.unwrap();
    tx.commit().await.unwrap();
}

//! The database layer says the same on both engines.

use crate::world::Database;
use std::{path::Path, sync::Arc};
use turnpike::{
    clock::Clock,
    db::{Db, Error, Sql, migrate},
    in_tx, params, sql,
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
        let mut polled = Box::pin(tx.execute(PUT, params!["a", "2"]));
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

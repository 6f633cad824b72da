//! What every test stands on: a database of its own, on SQLite or on MariaDB.

use std::path::PathBuf;
use turnpike::{
    clock::{Chance, Clock},
    db::{Address, Db, migrate},
};

/// The server on which each test makes a schema of its own, `mysql://root@127.0.0.1:3306/`. Unset: SQLite.
const MYSQL: &str = "TURNPIKE_TEST_MYSQL";

/// A fresh, migrated database; gone when dropped.
pub struct Database {
    pub address: Address,
    pub db: Db,
    _folder: tempfile::TempDir,
}

impl Database {
    /// An empty database without a schema.
    pub async fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = match std::env::var(MYSQL) {
            Ok(server) => Address::Mysql(fresh_schema(&server).await.into()),
            Err(_) => Address::Sqlite(folder.path().join("test.db")),
        };
        let db = Db::open(&address).await.unwrap();
        Self { address, db, _folder: folder }
    }

    pub async fn new() -> Self {
        let database = Self::bare().await;
        migrate::run(&database.db, &Clock::System).await.unwrap();
        database
    }

    pub fn folder(&self) -> PathBuf {
        self._folder.path().to_owned()
    }
}

async fn fresh_schema(server: &str) -> String {
    use mysql_async::prelude::Queryable;
    let name = format!("t_{}", hex::encode(Chance::System.bytes::<8>()));
    let pool = mysql_async::Pool::new(server);
    let mut conn = pool.get_conn().await.unwrap();
    conn.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
    drop(conn);
    pool.disconnect().await.unwrap();
    format!("{}/{name}", server.trim_end_matches('/'))
}

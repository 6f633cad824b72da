//! Upgrades: the schema changes when the service is restarted or `migrate` is run, and by no other command before.

use crate::{
    binary::{err, out, run},
    world::TestApp,
};
use turnpike::{db::Sql, sql};

/// What makes of a schema the one before its last file.
const BEFORE_THE_LAST: [Sql; 5] = [
    sql!("DROP INDEX quarantine_service /*! ON quarantine */"),
    sql!("ALTER TABLE standing DROP COLUMN cut_at"),
    sql!("ALTER TABLE standing DROP COLUMN cut_bytes"),
    sql!("ALTER TABLE quarantine DROP COLUMN payable_bytes"),
    sql!("DELETE FROM schema_step WHERE file = '0013_terms'"),
];

const COMMANDS: [&[&str]; 7] = [
    &["doctor"],
    &["collect"],
    &["import", "--server", "3", "--dry-run"],
    &["import", "--server", "3"],
    &["rebuild", "--server", "3", "--dry-run"],
    &["rebuild", "--server", "3"],
    &["rotate-key"],
];

async fn steps(app: &TestApp) -> u64 {
    let mut conn = app.app.db.read().await.unwrap();
    let count = conn.one(sql!("SELECT COUNT(*) AS n FROM schema_step"), vec![]).await.unwrap();
    count.map_or(0, |row| row.get("n").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beside_the_service_before_the_upgrade_leaves_the_schema_to_it() {
    let app = TestApp::new().await;
    app.create(41).await;
    let mut tx = app.app.db.begin().await.unwrap();
    let waits = sql!(
        "INSERT INTO quarantine (service_id, server_id, from_at, to_at, down_bytes, up_bytes, why, state, decided_at, counted_by) \
         VALUES (41, 3, 0, 1, 5, 2, 'of before', 'waiting', NULL, 'own')"
    );
    tx.execute(waits, vec![]).await.unwrap();
    tx.commit().await.unwrap();
    for change in BEFORE_THE_LAST {
        let mut tx = app.app.db.begin().await.unwrap();
        match tx.execute(change, vec![]).await {
            Ok(_) => tx.commit().await.unwrap(),
            // MySQL commits a change of the schema at once, and the transaction is over.
            Err(error) => assert!(error.is_retryable() && app.database.db.kind() != "SQLite", "{error}"),
        }
    }
    let before = steps(&app).await;
    for command in COMMANDS {
        let refused = run(&app, command).await;
        assert_eq!(refused.status.code(), Some(1), "{command:?}: {}", out(&refused));
        let said = err(&refused);
        assert!(said.contains("older than this program") && said.contains("run `turnpike migrate`"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(steps(&app).await, before, "{command:?}");
    }
    let migrated = run(&app, &["migrate"]).await;
    assert!(migrated.status.success() && out(&migrated).contains("5 of"), "{}{}", out(&migrated), err(&migrated));
    let mut conn = app.app.db.read().await.unwrap();
    let row = conn.one(sql!("SELECT payable_bytes FROM quarantine"), vec![]).await.unwrap().unwrap();
    assert_eq!(row.get::<u64>("payable_bytes").unwrap(), 7, "what waited is paid for as before");
    let doctor = run(&app, &["doctor", "--json"]).await;
    assert!(out(&doctor).contains("plain-text"), "{}", err(&doctor));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_schema_yet_any_command_makes_it() {
    let mut app = TestApp::new().await;
    // A database beside the test's own, in which nothing ever was.
    app.database = crate::world::Database::bare().await;
    let doctor = run(&app, &["doctor"]).await;
    assert!(doctor.status.success() && out(&doctor).contains("No router is known yet"), "{}", err(&doctor));
    assert_eq!(turnpike::db::migrate::pending(&app.database.db).await.unwrap(), 0);
}

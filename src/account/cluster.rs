//! Two who are at one account, also at two nodes of a Galera cluster.
//!
//! In a cluster a lock is its node's own, and at a commit only the rows are compared that both transactions have written.
//! Two that hold the same account, and write different rows of it, would both be committed, each upon books that the other
//! has changed: blocked in the books and let in on the router, or a change that is deleted as made and was not. So whoever
//! holds an account by itself, or decides a change of it, writes to one row that they share. (A reading, which holds
//! thousands, writes the figures of those that moved, and meets others there.)

use crate::{
    db::{Conn, Result},
    params, sql,
};

/// Meets whoever is at the account through another node, and commits first or gets an error that is
/// [retried](crate::db::Error::is_retryable). Does nothing elsewhere, where locks are everybody's.
pub(super) async fn meet(conn: &mut Conn, service_id: u64) -> Result<()> {
    if conn.is_of_a_cluster() {
        let sql = sql!("UPDATE standing SET held = held + 1 WHERE service_id = ?");
        conn.execute(sql, params![service_id]).await?;
    }
    Ok(())
}

/// Waits for whoever is at the account, on whatever database: what is read of it after this is not changed by others until
/// the transaction ends. On SQLite every transaction has waited for all others.
pub(super) async fn hold(conn: &mut Conn, service_id: u64) -> Result<()> {
    if conn.is_of_a_cluster() {
        return meet(conn, service_id).await;
    }
    let sql = sql!("SELECT service_id FROM standing WHERE service_id = ? /*! FOR UPDATE */");
    conn.one(sql, params![service_id]).await.map(|_| ())
}

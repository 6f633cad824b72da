//! Who may do a thing of which only one may be doing it: a row with an owner, an end and a fence that grows.
//!
//! Several sidecars may share one database. A holder proves its fence inside each booking transaction; one that slept past
//! its lease finds another's fence there and writes nothing.

use crate::{
    db::{Conn, Db, Error, Result},
    in_tx, params, sql,
};
use chrono::{DateTime, Duration, Utc};

/// How long a lease is good for without a word of its holder.
pub const TERM: Duration = Duration::seconds(120);

/// A lease in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    name: String,
    owner: String,
    fence: u64,
}

impl Lease {
    /// Takes the lease if it is free, run out, or the owner's own; `None` while another holds it.
    pub async fn take(db: &Db, name: &str, owner: &str, now: DateTime<Utc>) -> Result<Option<Self>> {
        in_tx!(db, tx => {
            let sql = sql!("SELECT owner, fence, until_at FROM lease WHERE name = ? /*! FOR UPDATE */");
            let fence = match tx.one(sql, params![name]).await? {
                // A row that is not there cannot be locked: of two who both want to make it, the second looks again.
                None => {
                    let make = sql!("INSERT INTO lease (name, owner, fence, until_at) VALUES (?, ?, 0, 0)");
                    if !tx.insert_once(make, params![name, owner]).await? {
                        return Err(Error::Retry("the lease was made by another just now".to_owned()));
                    }
                    0
                }
                Some(row) => {
                    let until: DateTime<Utc> = row.get("until_at")?;
                    // No holder asks for more than a term. One that seems to run much longer (clocks differ a little from
                    // machine to machine) was taken before the clock was set back, and would stop all counting until
                    // the clock has caught up.
                    let runs = until > now && until <= now + TERM * 2;
                    if row.get::<String>("owner")? != owner && runs {
                        return Ok(None);
                    }
                    row.get::<u64>("fence")?
                }
            };
            let put = sql!(
                "INSERT INTO lease (name, owner, fence, until_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET \
                 owner = excluded.owner, fence = excluded.fence, until_at = excluded.until_at"
            );
            tx.execute(put, params![name, owner, fence + 1, now + TERM]).await?;
            Ok::<_, Error>(Some(Self { name: name.to_owned(), owner: owner.to_owned(), fence: fence + 1 }))
        })
    }

    /// Proves in the transaction that it is still held, and prolongs it. `false`: write nothing, give up.
    pub async fn holds(&self, conn: &mut Conn, now: DateTime<Utc>) -> Result<bool> {
        let sql = sql!("UPDATE lease SET until_at = ? WHERE name = ? AND owner = ? AND fence = ?");
        Ok(conn.execute(sql, params![now + TERM, &self.name, &self.owner, self.fence]).await? == 1)
    }

    /// Lets go of it.
    pub async fn give_back(self, db: &Db) -> Result<()> {
        let sql = sql!("UPDATE lease SET until_at = 0 WHERE name = ? AND owner = ? AND fence = ?");
        db.execute(sql, params![self.name, self.owner, self.fence]).await.map(|_| ())
    }
}

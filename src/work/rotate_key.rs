//! Rotate-key: every stored secret sealed anew with a new master key, without a moment in which somebody is locked out.
//!
//! The order: first the new key stands in the settings file beside the old one, which still opens; then every running
//! service has been started with both; only then is anything sealed with the new key by us. A running service says in the
//! database which keys it knows ([`Presence`]), and nothing is re-sealed while one does not know the new key. Each value is
//! written only over the very bytes that were read (compare and set), so that what a service writes meanwhile is never
//! lost; killed anywhere, the next run goes on.

mod file;
mod places;
mod presence;

pub use file::{FileError, add_key, forget_older};
pub use presence::Presence;

use crate::{
    app::App,
    db::Tx,
    params,
    problem::{Code, Problem},
    router::lease::Lease,
    seal::Seal,
    sql,
};
use places::{CHECK, PLACES, Place};

/// Rows a transaction: a running service waits no longer than that for its turn.
const BATCH: u64 = 100;
/// Passes over everything until nothing is left: a service may write while we do.
const PASSES: usize = 5;

/// How the stored secrets stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Secrets stored.
    pub secrets: u64,
    /// Those sealed with an older key.
    pub older: u64,
    /// Whether the text that shows which master key is the right one is sealed with an older key.
    pub check_older: bool,
    /// Those that no key opens, by place, such as `account/41/password`.
    pub unreadable: Vec<String>,
}

impl Standing {
    /// Whether nothing needs an older key.
    pub fn is_settled(&self) -> bool {
        self.older == 0 && !self.check_older
    }
}

/// How the stored secrets stand under this ring of keys.
///
/// # Errors
/// The database's.
pub async fn standing(app: &App, seal: &Seal) -> Result<Standing, Problem> {
    let mut standing = Standing::default();
    let mut conn = app.db.read().await?;
    for place in PLACES {
        let mut after = 0;
        while let Some(rows) = place.page(&mut conn, after, BATCH).await? {
            after = rows.last;
            for (id, sealed) in rows.sealed {
                standing.secrets += 1;
                if seal.open(&(place.context)(id), &sealed).is_err() {
                    standing.unreadable.push((place.context)(id));
                } else {
                    standing.older += u64::from(seal.needs_reseal(&sealed));
                }
            }
        }
    }
    let sealed = check(&mut conn).await?.map(|text| hex::decode(text).unwrap_or_default());
    standing.check_older = sealed.is_some_and(|sealed| seal.needs_reseal(&sealed));
    Ok(standing)
}

/// Seals everything with the ring's first key; how many values were.
///
/// # Errors
/// `busy` while a running service does not know that key, or another rotation is on; the database's. What was done
/// stays, and the next run goes on.
pub async fn reseal(app: &App, seal: &Seal, watch: &(dyn Fn(u64) + Sync)) -> Result<u64, Problem> {
    let Some(lease) = Lease::take(&app.db, "rotate-key", &app.holder).await? else {
        let text = "Another rotate-key is running; wait for its end (one that was killed counts as running for a minute or two).";
        return Err(Problem::new(Code::Busy, text));
    };
    let outcome = all(app, seal, &lease, watch).await;
    lease.give_back(&app.db).await;
    outcome
}

async fn all(app: &App, seal: &Seal, lease: &Lease, watch: &(dyn Fn(u64) + Sync)) -> Result<u64, Problem> {
    let mut done = 0;
    for _ in 0..PASSES {
        let before = done;
        // The check first: a service with the old key alone then refuses to start instead of failing now and then.
        let checked = check_anew(app, seal).await?;
        for place in PLACES {
            let mut after = 0;
            loop {
                everybody_knows(app, seal).await?;
                let page = crate::in_tx!(app.db, tx => batch(&mut tx, seal, lease, (place, after)).await)?;
                let Some((last, count)) = page else { break };
                after = last;
                done += count;
                watch(done);
            }
        }
        if done == before && checked == 0 {
            break;
        }
    }
    Ok(done)
}

/// One batch of a place: the last id of it and how many were sealed anew; None at the end.
async fn batch(
    tx: &mut Tx,
    seal: &Seal,
    lease: &Lease,
    (place, after): (&Place, u64),
) -> Result<Option<(u64, u64)>, Problem> {
    if !lease.holds(tx).await? {
        return Err(Problem::new(Code::Busy, "Another rotate-key has taken over; this one did no harm."));
    }
    let Some(rows) = place.page(tx, after, BATCH).await? else { return Ok(None) };
    let mut count = 0;
    for (id, sealed) in rows.sealed.into_iter().filter(|(_, sealed)| seal.needs_reseal(sealed)) {
        let context = (place.context)(id);
        // What no key opens stays as it is: the standing tells of it.
        let Ok(secret) = seal.open(&context, &sealed) else { continue };
        count += tx.execute(place.put, params![seal.seal(&context, &secret), id, sealed]).await?;
    }
    Ok(Some((rows.last, count)))
}

async fn check(conn: &mut crate::db::Conn) -> crate::db::Result<Option<String>> {
    let row = conn.one(sql!("SELECT value FROM installation WHERE name = ?"), params![CHECK]).await?;
    row.map(|row| row.get("value")).transpose()
}

async fn check_anew(app: &App, seal: &Seal) -> Result<u64, Problem> {
    everybody_knows(app, seal).await?;
    crate::in_tx!(app.db, tx => {
        let Some(text) = check(&mut tx).await? else { return Ok(0) };
        let sealed = hex::decode(&text).unwrap_or_default();
        if !seal.needs_reseal(&sealed) {
            return Ok(0);
        }
        let anew = hex::encode(seal.seal(CHECK, &seal.open(CHECK, &sealed)?));
        let put = sql!("UPDATE installation SET value = ? WHERE name = ? AND value = ?");
        Ok::<_, Problem>(tx.execute(put, params![anew, CHECK, text]).await?)
    })
}

/// Refuses while a running service does not know the ring's first key.
///
/// # Errors
/// `busy`, with what to do.
pub async fn everybody_knows(app: &App, seal: &Seal) -> Result<(), Problem> {
    known_before(app, seal, "turnpike rotate-key").await
}

/// The same before another command, which seals with that key too.
pub(super) async fn known_before(app: &App, seal: &Seal, command: &str) -> Result<(), Problem> {
    let master = seal.key_ids().swap_remove(0);
    let ignorant = presence::running(app).await?.iter().filter(|keys| !keys.contains(&master)).count();
    if ignorant == 0 {
        return Ok(());
    }
    let text = format!(
        "{ignorant} running `turnpike serve` was started before the new key was in its settings: restart it, then run \
         `{command}` again."
    );
    Err(Problem::new(Code::Busy, text))
}

/// How many services run on this database.
///
/// # Errors
/// The database's.
pub async fn running(app: &App) -> Result<usize, Problem> {
    Ok(presence::running(app).await?.len())
}

/// How many running services seal with another key than the ring's first one: what they write needs the older key.
///
/// # Errors
/// The database's.
pub async fn sealing_otherwise(app: &App, seal: &Seal) -> Result<usize, Problem> {
    let master = seal.key_ids().swap_remove(0);
    Ok(presence::running(app).await?.iter().filter(|keys| keys.first() != Some(&master)).count())
}

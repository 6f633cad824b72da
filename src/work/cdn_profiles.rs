//! CDN profiles, kept by staff: what plans with CDN tiers name, and what routers hold as address lists.
//!
//! A profile is replaced whole; routers follow after their next reading. One that a plan uses is not removed.

use crate::{
    app::App,
    catalogue::cdn::{self, Invalid, Profile, Stored},
    db::Conn,
    problem::{Code, Problem},
};

/// All, by name, each with the names of the plans that use it.
///
/// # Errors
/// The database's.
pub async fn list(app: &App) -> Result<Vec<(Stored, Vec<String>)>, Problem> {
    let mut conn = app.db.read().await?;
    let mut all = Vec::new();
    for stored in cdn::all(&mut conn).await? {
        let plans = using(&mut conn, stored.id).await?;
        all.push((stored, plans));
    }
    Ok(all)
}

/// One.
///
/// # Errors
/// `no-such-record`.
pub async fn get(app: &App, id: u64) -> Result<Stored, Problem> {
    cdn::find(&mut app.db.read().await?, id).await?.ok_or_else(|| none(id))
}

/// Makes one of what was typed, or replaces the one with that number; its name.
///
/// # Errors
/// `setting-invalid` naming the field, also where the name is taken; `no-such-record`.
pub async fn save(app: &App, id: Option<u64>, name: &str, subnets: &str) -> Result<String, Problem> {
    let profile = Profile::parse(name, subnets).map_err(|Invalid { field, why }| Problem::field(field, why))?;
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let other = cdn::named(&mut tx, &profile.name).await?.filter(|it| Some(it.id) != id);
        if other.is_some() {
            return Err(taken(&profile.name));
        }
        match id {
            Some(id) => {
                let before = cdn::find(&mut tx, id).await?.ok_or_else(|| none(id))?;
                if before.profile != profile {
                    cdn::replace(&mut tx, id, &profile, now).await?;
                }
            }
            None => {
                cdn::add(&mut tx, &profile, now).await?.ok_or_else(|| taken(&profile.name))?;
            }
        }
        Ok::<_, Problem>(())
    })?;
    Ok(profile.name)
}

/// Removes one; already gone is success.
///
/// # Errors
/// `setting-invalid` naming the plans that use it.
pub async fn delete(app: &App, id: u64) -> Result<(), Problem> {
    crate::in_tx!(app.db, tx => {
        let plans = using(&mut tx, id).await?;
        if !plans.is_empty() {
            let why = format!("is used by {}; take CDN tiers off these plans, or give them another profile", plans.join(", "));
            return Err(Problem::field("profile", why));
        }
        cdn::remove(&mut tx, id).await?;
        Ok::<_, Problem>(())
    })
}

async fn using(conn: &mut Conn, id: u64) -> Result<Vec<String>, Problem> {
    Ok(cdn::plans_using(conn, id).await?.into_iter().map(|it| it.plan.name).collect())
}

fn none(id: u64) -> Problem {
    Problem::new(Code::NoSuchRecord, format!("There is no CDN profile with the number {id}; it may have been removed."))
}

fn taken(name: &str) -> Problem {
    Problem::field("name", format!("is another CDN profile's already: {name}"))
}

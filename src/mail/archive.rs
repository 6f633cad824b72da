//! The outbox as staff look through it: letters found by whom and what they are about, and one of them to be read.

use super::outbox::{Claimed, Entry, State};
use crate::{
    db::{Conn, Result},
    params, sql,
};

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those.
    pub state: Option<State>,
    /// Part of an e-mail address or of a template's name, or a service's number. Empty: all.
    pub text: String,
    /// Only those put in before that one: the last id of the page before.
    pub before: Option<u64>,
}

/// The newest letters first, at most `limit`.
pub async fn search(conn: &mut Conn, filter: &Filter, limit: u32) -> Result<Vec<Entry>> {
    let sql = sql!(
        "SELECT id, service_id, purpose, template, to_address, state, tries, due_at, failure, queued_at, sent_at \
         FROM mail_outbox WHERE (? = '' OR state = ?) AND (? = 0 OR id < ?) AND (? = '' OR service_id = ? \
         OR LOWER(to_address) LIKE ? ESCAPE '!' OR LOWER(template) LIKE ? ESCAPE '!') ORDER BY id DESC LIMIT ?"
    );
    let (state, before) = (filter.state.map_or("", State::as_str), filter.before.unwrap_or(0));
    let text = filter.text.trim();
    let pattern = like(text);
    let number: u64 = text.parse().unwrap_or(0);
    let values = params![state, state, before, before, text, number, &pattern, &pattern, limit];
    conn.rows(sql, values).await?.iter().map(Entry::of).collect()
}

/// The text as part of any, its own `%` and `_` meant as written.
fn like(text: &str) -> String {
    let meant = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{meant}%")
}

/// One letter: how it stands, and what it says.
pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<(Entry, Claimed)>> {
    let sql = sql!("SELECT * FROM mail_outbox WHERE id = ?");
    conn.one(sql, params![id]).await?.map(|row| Ok((Entry::of(&row)?, Claimed::of(&row)?))).transpose()
}

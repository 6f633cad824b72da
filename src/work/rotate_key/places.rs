//! Where sealed values stand, and to which row each is bound. A test finds every `*_sealed` column of the schema here.

use crate::{
    db::{Conn, Result, Sql},
    params, sql,
};

/// A column of sealed values.
pub(super) struct Place {
    /// `table.column`, for the test.
    #[cfg(test)]
    name: &'static str,
    page: Sql,
    /// Compare and set: new, id, old.
    pub put: Sql,
    /// The associated data of a row's value, as the noun that owns it seals it.
    pub context: fn(u64) -> String,
}

/// Some rows of a place.
pub(super) struct Page {
    /// The last row's id.
    pub last: u64,
    /// Ids and values; rows without a value are left out.
    pub sealed: Vec<(u64, Vec<u8>)>,
}

/// The fact about the installation that shows whether a master key is the right one; in hex, not in a column of its own.
pub(super) const CHECK: &str = "seal-check";

pub(super) static PLACES: &[Place] = &[
    Place {
        #[cfg(test)]
        name: "server.password_sealed",
        page: sql!("SELECT id, password_sealed AS sealed FROM server WHERE id > ? ORDER BY id LIMIT ?"),
        put: sql!("UPDATE server SET password_sealed = ? WHERE id = ? AND password_sealed = ?"),
        context: |id| format!("server/{id}/password"),
    },
    Place {
        #[cfg(test)]
        name: "account.password_sealed",
        page: sql!(
            "SELECT service_id AS id, password_sealed AS sealed FROM account WHERE service_id > ? ORDER BY service_id LIMIT ?"
        ),
        put: sql!("UPDATE account SET password_sealed = ? WHERE service_id = ? AND password_sealed = ?"),
        context: |id| format!("account/{id}/password"),
    },
    Place {
        #[cfg(test)]
        name: "account.psk_sealed",
        page: sql!(
            "SELECT service_id AS id, psk_sealed AS sealed FROM account WHERE service_id > ? ORDER BY service_id LIMIT ?"
        ),
        put: sql!("UPDATE account SET psk_sealed = ? WHERE service_id = ? AND psk_sealed = ?"),
        context: |id| format!("account/{id}/psk"),
    },
    Place {
        #[cfg(test)]
        name: "netflow.password_sealed",
        page: sql!(
            "SELECT service_id AS id, password_sealed AS sealed FROM netflow WHERE service_id > ? ORDER BY service_id LIMIT ?"
        ),
        put: sql!("UPDATE netflow SET password_sealed = ? WHERE service_id = ? AND password_sealed = ?"),
        context: |id| format!("netflow/{id}/password"),
    },
];

impl Place {
    /// The rows after that id; None where there are no more.
    pub async fn page(&self, conn: &mut Conn, after: u64, most: u64) -> Result<Option<Page>> {
        let rows = conn.rows(self.page, params![after, most]).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let mut page = Page { last: last.get("id")?, sealed: Vec::with_capacity(rows.len()) };
        for row in &rows {
            let sealed: Option<Vec<u8>> = row.get("sealed")?;
            if let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) {
                page.sealed.push((row.get("id")?, sealed));
            }
        }
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sealed_column_of_the_schema_has_its_place() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql");
        let mut columns = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut table = "";
            for line in text.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let ["CREATE" | "ALTER", "TABLE", name, ..] = words.as_slice() {
                    table = name;
                }
                let column = words.iter().take(4).find(|word| word.ends_with("_sealed"));
                if let (Some(column), false) = (column, line.trim_start().starts_with("--")) {
                    columns.push(format!("{table}.{column}"));
                }
            }
        }
        columns.sort();
        let mut places: Vec<&str> = PLACES.iter().map(|place| place.name).collect();
        places.sort_unstable();
        assert_eq!(columns, places);
    }
}

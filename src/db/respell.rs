//! SQLite's upsert, respelled for MySQL; and words that only one of the two is told.
//!
//! Strict: a clause that is not exactly of the known form is refused, never passed on changed or dropped.

/// The statement as MySQL spells it.
///
/// # Errors
/// A sentence about the clause that is not understood.
pub fn for_mysql(sql: &str) -> Result<String, String> {
    let Some((head, clause)) = sql.split_once(" ON CONFLICT ") else {
        return if sql.contains("ON CONFLICT") { Err(unknown(sql)) } else { Ok(sql.to_owned()) };
    };
    let keys_and_rest = clause.trim_start().strip_prefix('(').ok_or_else(|| unknown(sql))?;
    let (_, rest) = keys_and_rest.split_once(')').ok_or_else(|| unknown(sql))?;
    let set = rest.trim().strip_prefix("DO UPDATE SET ").ok_or_else(|| unknown(sql))?;
    let mut changes = Vec::new();
    for change in set.split(", ") {
        changes.push(assignment(change.trim()).ok_or_else(|| unknown(sql))?);
    }
    Ok(format!("{head} ON DUPLICATE KEY UPDATE {}", changes.join(", ")))
}

/// A step of the schema as SQLite is told it: `/*sqlite … */` is a comment to MySQL, as `/*! … */` is to SQLite.
pub fn for_sqlite(sql: &str) -> String {
    let mut told = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("/*sqlite ") {
        let (own, after) = after.split_once("*/").unwrap_or((after, ""));
        told.push_str(before);
        told.push_str(own);
        rest = after;
    }
    told + rest
}

/// `c = excluded.c` or `c = table.c + excluded.c` (SQLite wants the table's name only where it is ambiguous: it is not).
fn assignment(text: &str) -> Option<String> {
    let (column, value) = text.split_once(" = ")?;
    is_name(column).then_some(())?;
    if value == format!("excluded.{column}") {
        return Some(format!("{column} = VALUES({column})"));
    }
    if value == format!("{column} + excluded.{column}") {
        return Some(format!("{column} = {column} + VALUES({column})"));
    }
    None
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn unknown(sql: &str) -> String {
    format!("this upsert is not of the known form: {sql}")
}

/// `INSERT … VALUES (?, ?) …` with so many groups.
///
/// # Errors
/// A sentence where there is not exactly one group of plain `?` and whole numbers.
pub fn repeat_values(sql: &str, times: usize) -> Result<String, String> {
    let wrong = || format!("a batch needs exactly one VALUES (?, …): {sql}");
    let (head, rest) = sql.split_once("VALUES (").ok_or_else(wrong)?;
    let (group, tail) = rest.split_once(')').ok_or_else(wrong)?;
    if !group.bytes().all(|b| matches!(b, b'?' | b',' | b' ' | b'0'..=b'9')) || tail.contains('?') {
        return Err(wrong());
    }
    let group = format!("({group})");
    Ok(format!("{head}VALUES {}{tail}", vec![group; times].join(", ")))
}

/// Ids in one statement, at most.
pub const MOST_IDS: usize = 128;

/// `… IN (?) …` for so many ids; and how many more the text has room for, to be filled by repeating one. Texts come in few
/// lengths, so that a connection need not prepare one for every number.
///
/// # Errors
/// A sentence where there is not exactly one `IN (?)` and no other `?`.
pub fn for_ids(sql: &str, ids: usize) -> Result<(String, usize), String> {
    let wrong = || format!("a statement about many ids needs exactly one IN (?): {sql}");
    let (head, tail) = sql.split_once("IN (?)").ok_or_else(wrong)?;
    if head.contains('?') || tail.contains('?') {
        return Err(wrong());
    }
    let room = [1, 4, 16, 48].into_iter().find(|room| *room >= ids).unwrap_or(MOST_IDS);
    Ok((format!("{head}IN ({}){tail}", vec!["?"; room].join(", ")), room.saturating_sub(ids)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_is_told_its_own_words() {
        let sql = "UPDATE t SET a = /*! HEX(b) */ /*sqlite printf('%X', b) */, c = /*sqlite 1 */ /*! 2 */ WHERE d";
        let told = "UPDATE t SET a = /*! HEX(b) */ printf('%X', b) , c = 1  /*! 2 */ WHERE d";
        assert_eq!(for_sqlite(sql), told);
        assert_eq!(for_sqlite("SELECT 1"), "SELECT 1");
    }

    #[test]
    fn upserts_are_respelled() {
        let sql =
            "INSERT INTO t (a, b, c) VALUES (?, ?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = c + excluded.c";
        let mysql = "INSERT INTO t (a, b, c) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE b = VALUES(b), c = c + VALUES(c)";
        assert_eq!(for_mysql(sql).unwrap(), mysql);
        assert_eq!(for_mysql("SELECT 1").unwrap(), "SELECT 1");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for sql in [
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING",
            "INSERT INTO t (a) VALUES (?) ON CONFLICT DO NOTHING",
            "INSERT INTO t (a) VALUES (?)\nON CONFLICT (a) DO UPDATE SET a = excluded.a",
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = MAX(b, excluded.b)",
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE b < 1",
        ] {
            assert!(for_mysql(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn ids_are_repeated_in_few_lengths() {
        assert_eq!(
            for_ids("SELECT 1 WHERE a IN (?) ORDER BY a", 1).unwrap(),
            ("SELECT 1 WHERE a IN (?) ORDER BY a".into(), 0)
        );
        assert_eq!(for_ids("SELECT 1 WHERE a IN (?)", 3).unwrap(), ("SELECT 1 WHERE a IN (?, ?, ?, ?)".into(), 1));
        let (text, padding) = for_ids("SELECT 1 WHERE a IN (?)", 100).unwrap();
        assert_eq!((text.matches('?').count(), padding), (128, 28));
        for sql in ["SELECT 1 WHERE a = ?", "SELECT 1 WHERE a IN (?) AND b = ?", "SELECT ? WHERE a IN (?)"] {
            assert!(for_ids(sql, 2).is_err(), "{sql}");
        }
    }

    #[test]
    fn groups_are_repeated() {
        assert_eq!(
            repeat_values("INSERT INTO t (a) VALUES (?) x", 3).unwrap(),
            "INSERT INTO t (a) VALUES (?), (?), (?) x"
        );
        assert_eq!(
            repeat_values("INSERT INTO t (a, b) VALUES (?, 10)", 2).unwrap(),
            "INSERT INTO t (a, b) VALUES (?, 10), (?, 10)"
        );
        assert!(repeat_values("INSERT INTO t (a) VALUES (NOW())", 2).is_err());
        assert!(repeat_values("UPDATE t SET a = ?", 2).is_err());
        assert!(repeat_values("INSERT INTO t (a, b) VALUES (?, 0) ON x ?", 2).is_err());
    }
}

//! CDN profiles as stored: the IPv4 subnets of a CDN, whose traffic a plan may count and limit apart.
//!
//! What is typed is read at the edge: normalised, without doubles and without a subnet that lies in another one, because
//! each is an entry on every router that needs the profile.

use super::plans;
use crate::{
    db::{Conn, Error, Result, Row},
    params, sql,
};
use chrono::{DateTime, Utc};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// The most subnets of one profile: a router keeps each as an entry of an address list.
pub const MOST_SUBNETS: usize = 5_000;
/// The most characters of a profile's name.
pub const MOST_NAME: usize = 100;
/// The shortest prefix taken: a wider one is a slip of the pen, not a CDN.
const SHORTEST: u8 = 8;

/// A profile to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What plans' forms call it; unique, 1 to 100 characters.
    pub name: String,
    /// Its subnets: ordered, disjoint, at most 5,000.
    pub subnets: Vec<Ipv4Net>,
}

/// A profile with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number here: what plans hold, and part of the names on routers.
    pub id: u64,
    /// The profile.
    pub profile: Profile,
    /// When it was changed last.
    pub changed_at: DateTime<Utc>,
}

/// A field that cannot be taken, and why: `{field} {why}` is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct Invalid {
    /// `name` or `subnets`.
    pub field: &'static str,
    /// `is missing`, `…`.
    pub why: String,
}

impl Profile {
    /// Reads what was typed: subnets by lines, blanks, commas or semicolons; the rest of a line after `#` is a remark.
    /// A single address is a subnet of one.
    ///
    /// # Errors
    /// [`Invalid`], naming the first text that is no IPv4 subnet.
    pub fn parse(name: &str, subnets: &str) -> std::result::Result<Self, Invalid> {
        let invalid = |field, why: String| Invalid { field, why };
        let name = name.trim();
        if name.is_empty() {
            return Err(invalid("name", "is missing".to_owned()));
        }
        if name.chars().count() > MOST_NAME || name.chars().any(char::is_control) {
            return Err(invalid("name", format!("must be at most {MOST_NAME} characters, none of them a control one")));
        }
        let subnets = subnets_of(subnets).map_err(|why| invalid("subnets", why))?;
        Ok(Self { name: name.to_owned(), subnets })
    }

    /// The subnets as they are typed: one a line.
    pub fn text(&self) -> String {
        self.subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

fn subnets_of(text: &str) -> std::result::Result<Vec<Ipv4Net>, String> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(before, _)| before));
    let words = lines.flat_map(|line| line.split([' ', '\t', ',', ';'])).filter(|word| !word.is_empty());
    let found = words.map(subnet).collect::<std::result::Result<Vec<_>, _>>()?;
    let subnets: Vec<Ipv4Net> = Ipv4Net::aggregate(&found).into_iter().flat_map(no_wider).collect();
    if subnets.len() > MOST_SUBNETS {
        return Err(format!(
            "are more than {MOST_SUBNETS}, which is too much for a router's packets to be compared with"
        ));
    }
    Ok(subnets)
}

fn subnet(word: &str) -> std::result::Result<Ipv4Net, String> {
    let shown: String = word.chars().take(50).collect();
    let single = || word.parse::<Ipv4Addr>().ok().map(Ipv4Net::from);
    let Some(net) = word.parse::<Ipv4Net>().ok().or_else(single) else {
        let why = if word.parse::<ipnet::Ipv6Net>().is_ok() {
            "is IPv6, which the queues of accounts do not count"
        } else {
            "is not an IPv4 subnet such as 203.0.113.0/24"
        };
        return Err(format!("hold {shown:?}, which {why}"));
    };
    if net.prefix_len() < SHORTEST {
        return Err(format!(
            "hold {shown:?}, which is wider than /{SHORTEST}: that is most of the Internet, not a CDN"
        ));
    }
    Ok(net.trunc())
}

/// A subnet in parts that [`subnet`] takes: two that were typed may have become one that is too wide to be read back.
fn no_wider(net: Ipv4Net) -> impl Iterator<Item = Ipv4Net> {
    // An error here is a prefix shorter than the subnet's own, which the larger of the two is not.
    net.subnets(net.prefix_len().max(SHORTEST)).into_iter().flatten()
}

impl Stored {
    fn from_row(row: &Row) -> Result<Self> {
        let (id, name, text): (u64, String, String) = (row.get("id")?, row.get("name")?, row.get("subnets")?);
        let profile = Profile::parse(&name, &text).map_err(|it| Error::Defect(format!("CDN profile {id}: {it}")))?;
        Ok(Self { id, profile, changed_at: row.get("changed_at")? })
    }
}

/// All of them, by name.
pub async fn all(conn: &mut Conn) -> Result<Vec<Stored>> {
    let rows =
        conn.rows(sql!("SELECT id, name, subnets, changed_at FROM cdn_profile ORDER BY name, id"), vec![]).await?;
    rows.iter().map(Stored::from_row).collect()
}

/// The one with that number.
pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, name, subnets, changed_at FROM cdn_profile WHERE id = ?");
    conn.one(sql, params![id]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// The one with that very name.
pub async fn named(conn: &mut Conn, name: &str) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, name, subnets, changed_at FROM cdn_profile WHERE name = ?");
    conn.one(sql, params![name]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// Writes a new one; `None` where the name is taken.
pub async fn add(conn: &mut Conn, profile: &Profile, now: DateTime<Utc>) -> Result<Option<u64>> {
    let sql = sql!("INSERT INTO cdn_profile (name, subnets, created_at, changed_at) VALUES (?, ?, ?, ?)");
    if !conn.insert_once(sql, params![&profile.name, profile.text(), now, now]).await? {
        return Ok(None);
    }
    Ok(named(conn, &profile.name).await?.map(|stored| stored.id))
}

/// Replaces one whole; false where there is none with that number. That the name is free must have been looked up before.
pub async fn replace(conn: &mut Conn, id: u64, profile: &Profile, now: DateTime<Utc>) -> Result<bool> {
    let sql = sql!("UPDATE cdn_profile SET name = ?, subnets = ?, changed_at = ? WHERE id = ?");
    Ok(conn.execute(sql, params![&profile.name, profile.text(), now, id]).await? > 0)
}

/// Removes one; whether it was there. That no plan uses it must have been looked up before: [`plans_using`].
pub async fn remove(conn: &mut Conn, id: u64) -> Result<bool> {
    Ok(conn.execute(sql!("DELETE FROM cdn_profile WHERE id = ?"), params![id]).await? > 0)
}

/// The plans that use it.
pub async fn plans_using(conn: &mut Conn, id: u64) -> Result<Vec<plans::Stored>> {
    let mut using = plans::all(conn).await?;
    using.retain(|it| it.plan.cdn.is_some_and(|cdn| cdn.profile_id == id));
    Ok(using)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets(text: &str) -> Vec<String> {
        Profile::parse("Akamai", text).unwrap().subnets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn subnets_are_normalised_and_none_lies_in_another() {
        assert_eq!(
            nets("203.0.113.7/24, 198.51.100.9;\n  203.0.113.128/25 # in the first\n\n192.0.2.0/25 192.0.2.128/25"),
            ["192.0.2.0/24", "198.51.100.9/32", "203.0.113.0/24"]
        );
        assert!(nets("# none yet").is_empty());
        // Neighbours are not joined into what could not be read back.
        assert_eq!(nets("6.0.0.0/8 7.0.0.0/8 7.1.0.0/16"), ["6.0.0.0/8", "7.0.0.0/8"]);
    }

    #[test]
    fn the_last_of_a_long_list_counts_as_the_first_does() {
        let many: Vec<String> = (0..40_000).map(|at| format!("10.0.{}.{}", at / 256, at % 256)).collect();
        let last = nets(&format!("{}\n192.0.2.1", many.join(" ")));
        assert_eq!(
            last,
            ["10.0.0.0/17", "10.0.128.0/20", "10.0.144.0/21", "10.0.152.0/22", "10.0.156.0/26", "192.0.2.1/32"]
        );
    }

    #[test]
    fn what_is_no_subnet_is_named() {
        for (text, part) in [
            ("203.0.113.0/33", "\"203.0.113.0/33\""),
            ("example.net", "not an IPv4 subnet"),
            ("2001:db8::/32", "IPv6"),
            ("0.0.0.0/0", "wider than /8"),
        ] {
            let wrong = Profile::parse("Akamai", text).unwrap_err();
            assert!(wrong.field == "subnets" && wrong.why.contains(part), "{wrong}");
        }
        let many: Vec<String> = (0..=MOST_SUBNETS).map(|at| format!("10.{}.{}.1", at / 256, at % 256)).collect();
        let many = many.join("\n");
        assert!(Profile::parse("Akamai", &many).unwrap_err().why.contains("more than 5000"));
        assert_eq!(Profile::parse(" ", "").unwrap_err().field, "name");
        assert_eq!(Profile::parse("a\nb", "").unwrap_err().field, "name");
    }

    proptest! {
        #[test]
        fn what_is_stored_reads_back_the_same(text in "([0-9]{1,3}\\.[0-9]{1,3}\\.0\\.0/[0-9]{1,2}[ ,;\n]){0,9}|\\PC{0,40}") {
            if let Ok(profile) = Profile::parse("Akamai", &text) {
                prop_assert_eq!(Profile::parse("Akamai", &profile.text()), Ok(profile.clone()));
                for pair in profile.subnets.windows(2) {
                    prop_assert!(!pair[0].contains(&pair[1]) && !pair[1].contains(&pair[0]));
                }
            }
        }
    }
}

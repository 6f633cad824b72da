//! Who stands on which level: living accounts on plans, counted.

use crate::{
    db::{Conn, Result, Row},
    sql,
};

/// How many accounts of a plan stand alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The plan.
    pub plan_id: u64,
    /// The day's level, 0 to 6.
    pub daily_level: u8,
    /// The cycle's level, 0 to 6.
    pub monthly_level: u8,
    /// Whether a quota is full.
    pub quota: bool,
    /// Whether they go slower than sold.
    pub slowed: bool,
    /// How many.
    pub accounts: u64,
}

/// Counts the accounts that are on the router and on a plan. One that nothing was decided for yet is on no level.
pub async fn standings(conn: &mut Conn) -> Result<Vec<Standing>> {
    let sql = sql!(
        "SELECT a.plan_id, f.daily_level, f.monthly_level, f.why, f.full_quota, COUNT(*) AS n FROM account a \
         LEFT JOIN fair_use f ON f.service_id = a.service_id WHERE a.state = 'made' AND a.plan_id IS NOT NULL \
         GROUP BY a.plan_id, f.daily_level, f.monthly_level, f.why, f.full_quota \
         ORDER BY a.plan_id, f.daily_level, f.monthly_level"
    );
    let read = |row: &Row| {
        Ok(Standing {
            plan_id: row.get("plan_id")?,
            daily_level: row.get::<Option<u8>>("daily_level")?.unwrap_or_default(),
            monthly_level: row.get::<Option<u8>>("monthly_level")?.unwrap_or_default(),
            quota: row.get::<Option<String>>("full_quota")?.is_some(),
            slowed: row.get::<Option<String>>("why")?.is_some_and(|why| why != "full"),
            accounts: row.get("n")?,
        })
    };
    conn.rows(sql, vec![]).await?.iter().map(read).collect()
}

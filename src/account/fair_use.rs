//! What an account on a plan has used, counted, and where that has brought it.
//!
//! Counters begin at an instant of their own: only what was moved after it counts. So a reset is a comparison, and a
//! reading that spans it is shared out. The verdict is stored beside what it was decided from: the router is told of it
//! later, and asked at every reading whether it holds.

use super::Account;
use crate::{
    db::{Conn, Result, Row, Sql},
    params,
    plan::{
        burst::{Burst, Rate},
        fup::{Quota, Used, Verdict, Why},
    },
    sql,
    units::{Bytes, Kbps, Speed, Volume},
};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::{HashMap, HashSet};

/// What staff settled for one subscriber; `None` is as sold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// The full speed towards the customer.
    pub down: Option<Kbps>,
    /// The full speed from the customer.
    pub up: Option<Kbps>,
    /// The price of a renewal, as a decimal; shown to staff, WHMCS bills.
    pub price: Option<String>,
}

/// What a letter last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That it goes slower.
    Slowed,
    /// That it is at full speed again.
    Restored,
}

/// An account's usage under its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairUse {
    /// Whose.
    pub service_id: u64,
    /// When the day's counters began.
    pub day_began_at: DateTime<Utc>,
    /// When the cycle's counters began.
    pub cycle_began_at: DateTime<Utc>,
    /// The due date whose renewal began the cycle.
    pub cycle_due: Option<NaiveDate>,
    /// Counted since the day began.
    pub daily: Volume,
    /// Counted since the cycle began.
    pub monthly: Volume,
    /// Online since the day began, seconds.
    pub online_seconds: u64,
    /// CDN traffic since the day began, both ways.
    pub cdn_daily: Bytes,
    /// CDN traffic since the cycle began, both ways.
    pub cdn_monthly: Bytes,
    /// Given on top for this cycle.
    pub bonus: Bytes,
    /// What staff settled.
    pub staff: Override,
    /// The day's level, 0 to 6.
    pub daily_level: u8,
    /// The cycle's level, 0 to 6.
    pub monthly_level: u8,
    /// The quota that is full, if any.
    pub full_quota: Option<Quota>,
    /// Why the speed is what it is.
    pub why: Why,
    /// The bandwidth rule in force.
    pub rule_id: Option<u64>,
    /// What the queue is to be set to.
    pub rate: Rate,
    /// The day's CDN level, 0 to 3.
    pub cdn_daily_level: u8,
    /// The cycle's CDN level, 0 to 3.
    pub cdn_monthly_level: u8,
    /// What CDN traffic is held to; `None` where it is not sold apart.
    pub cdn_speed: Option<Speed>,
    /// When that was decided.
    pub decided_at: DateTime<Utc>,
    /// What the customer was last told by letter, and on which local day.
    pub told: Option<(Told, NaiveDate)>,
    /// The level that the customer knows of; see [`FairUse::depth`].
    pub told_level: u8,
}

impl FairUse {
    /// One that begins now, at full speed.
    pub fn new(account: &Account, now: DateTime<Utc>) -> Self {
        Self {
            service_id: account.service_id,
            day_began_at: now,
            cycle_began_at: now,
            cycle_due: account.sold.next_due_date,
            daily: Volume::ZERO,
            monthly: Volume::ZERO,
            online_seconds: 0,
            cdn_daily: Bytes::ZERO,
            cdn_monthly: Bytes::ZERO,
            bonus: Bytes::ZERO,
            staff: Override::default(),
            daily_level: 0,
            monthly_level: 0,
            full_quota: None,
            why: Why::Full,
            rule_id: None,
            rate: Rate::plain(account.settings.speed),
            cdn_daily_level: 0,
            cdn_monthly_level: 0,
            cdn_speed: None,
            decided_at: now,
            told: None,
            told_level: 0,
        }
    }

    /// What the plan decides from.
    pub fn used(&self) -> Used {
        Used {
            daily: self.daily.total(),
            monthly: self.monthly.total(),
            bonus: self.bonus,
            online_seconds: self.online_seconds,
            cdn_daily: self.cdn_daily,
            cdn_monthly: self.cdn_monthly,
        }
    }

    /// The full speed of this subscriber, where it was sold at `sold`.
    pub fn full_speed(&self, sold: Speed) -> Speed {
        Speed { down: self.staff.down.unwrap_or(sold.down), up: self.staff.up.unwrap_or(sold.up) }
    }

    /// The day's counters begin again.
    pub fn begin_day(&mut self, at: DateTime<Utc>) {
        self.day_began_at = at;
        self.daily = Volume::ZERO;
        self.online_seconds = 0;
        self.cdn_daily = Bytes::ZERO;
    }

    /// The cycle's counters begin again; what was given on top was for the one before.
    pub fn begin_cycle(&mut self, at: DateTime<Utc>) {
        self.cycle_began_at = at;
        self.monthly = Volume::ZERO;
        self.cdn_monthly = Bytes::ZERO;
        self.bonus = Bytes::ZERO;
    }

    /// Counts what was moved from `at` on, within a stretch that neither beginning cuts.
    pub fn count(&mut self, at: DateTime<Utc>, counted: Volume, now: DateTime<Utc>) {
        if is_since(at, self.day_began_at, now) {
            self.daily += counted;
        }
        if is_since(at, self.cycle_began_at, now) {
            self.monthly += counted;
        }
    }

    /// The same for CDN traffic.
    pub fn count_cdn(&mut self, at: DateTime<Utc>, bytes: Bytes, now: DateTime<Utc>) {
        if is_since(at, self.day_began_at, now) {
            self.cdn_daily += bytes;
        }
        if is_since(at, self.cycle_began_at, now) {
            self.cdn_monthly += bytes;
        }
    }

    /// Takes a verdict over; one that says the same again changes nothing.
    pub fn take(&mut self, verdict: &Verdict, rule_id: Option<u64>, now: DateTime<Utc>) {
        let mut next = self.clone();
        next.daily_level = verdict.daily_level;
        next.monthly_level = verdict.monthly_level;
        next.full_quota = verdict.full_quota;
        next.why = verdict.why;
        next.rule_id = rule_id;
        next.rate = verdict.rate;
        next.cdn_daily_level = verdict.cdn.map_or(0, |cdn| cdn.daily_level);
        next.cdn_monthly_level = verdict.cdn.map_or(0, |cdn| cdn.monthly_level);
        next.cdn_speed = verdict.cdn.map(|cdn| cdn.speed);
        if next != *self {
            *self = Self { decided_at: now, ..next };
        }
    }

    /// How far down the speed has gone: the higher of both levels, above all of them where a full quota throttles; 0 is
    /// full speed.
    pub fn depth(&self) -> u8 {
        match self.why {
            Why::Full => 0,
            Why::Quota(_) => u8::MAX,
            Why::Daily(_) | Why::Monthly(_) => self.daily_level.max(self.monthly_level),
        }
    }

    /// What the customer is to be told now: that it goes slower, or slower still, and later that it does no more. Of a level
    /// once; that it goes slower still no more than once a day of the plans. It is news until it is noted as told.
    pub fn news(&mut self, today: NaiveDate) -> Option<Told> {
        let slowed_before = matches!(self.told, Some((Told::Slowed, _)));
        let slowed_today = self.told == Some((Told::Slowed, today));
        let depth = self.depth();
        match depth {
            0 if slowed_before => Some(Told::Restored),
            0 => None,
            _ if !slowed_before || (depth > self.told_level && !slowed_today) => Some(Told::Slowed),
            _ => {
                // A level that was left is news again when it comes back.
                self.told_level = self.told_level.min(depth);
                None
            }
        }
    }

    /// A letter that says so is in the outbox, or none is wanted.
    pub fn was_told(&mut self, news: Told, today: NaiveDate) {
        (self.told, self.told_level) = (Some((news, today)), self.depth());
    }

    /// Nothing was told yet: it begins on a plan, anew or for the first time, and what was told before is not of this one.
    pub fn begin_telling(&mut self) {
        (self.told, self.told_level) = (None, 0);
    }

    fn from_row(row: &Row) -> Result<Self> {
        let kbps = |name: &str| row.get::<Option<u32>>(name).map(|it| it.map(Kbps));
        let speed = |down: &str, up: &str| Ok(Speed { down: Kbps(row.get(down)?), up: Kbps(row.get(up)?) });
        let volume = |down: &str, up: &str| Ok(Volume { down: Bytes(row.get(down)?), up: Bytes(row.get(up)?) });
        let seconds: u32 = row.get("burst_seconds")?;
        let burst = Burst {
            limit: speed("burst_down_kbps", "burst_up_kbps")?,
            threshold: speed("burst_threshold_down_kbps", "burst_threshold_up_kbps")?,
            seconds,
        };
        let full_quota = row.get::<Option<String>>("full_quota")?.as_deref().map(quota).transpose()?;
        let told: Option<String> = row.get("told")?;
        let told = told.as_deref().map(told_of).transpose()?;
        let cdn = (kbps("cdn_down_kbps")?, kbps("cdn_up_kbps")?);
        Ok(Self {
            service_id: row.get("service_id")?,
            day_began_at: row.get("day_began_at")?,
            cycle_began_at: row.get("cycle_began_at")?,
            cycle_due: row.get("cycle_due")?,
            daily: volume("daily_down_bytes", "daily_up_bytes")?,
            monthly: volume("monthly_down_bytes", "monthly_up_bytes")?,
            online_seconds: row.get("online_seconds")?,
            cdn_daily: Bytes(row.get("cdn_daily_bytes")?),
            cdn_monthly: Bytes(row.get("cdn_monthly_bytes")?),
            bonus: Bytes(row.get("bonus_bytes")?),
            staff: Override {
                down: kbps("staff_down_kbps")?,
                up: kbps("staff_up_kbps")?,
                price: row.get("staff_price")?,
            },
            daily_level: row.get("daily_level")?,
            monthly_level: row.get("monthly_level")?,
            full_quota,
            why: why(&row.get::<String>("why")?, full_quota)?,
            rule_id: row.get("rule_id")?,
            rate: Rate { speed: speed("down_kbps", "up_kbps")?, burst: (seconds > 0).then_some(burst) },
            cdn_daily_level: row.get("cdn_daily_level")?,
            cdn_monthly_level: row.get("cdn_monthly_level")?,
            cdn_speed: cdn.0.zip(cdn.1).map(|(down, up)| Speed { down, up }),
            decided_at: row.get("decided_at")?,
            told: told.zip(row.get("told_day")?),
            told_level: row.get("told_level")?,
        })
    }

    fn columns(&self) -> Vec<crate::db::Value> {
        let none = Burst { limit: Speed::default(), threshold: Speed::default(), seconds: 0 };
        let burst = self.rate.burst.unwrap_or(none);
        params![
            self.service_id,
            self.day_began_at,
            self.cycle_began_at,
            self.cycle_due,
            self.daily.down.0,
            self.daily.up.0,
            self.monthly.down.0,
            self.monthly.up.0,
            self.online_seconds,
            self.cdn_daily.0,
            self.cdn_monthly.0,
            self.bonus.0,
            self.staff.down.map(|it| it.0),
            self.staff.up.map(|it| it.0),
            self.staff.price.clone(),
            self.daily_level,
            self.monthly_level,
            self.full_quota.map(quota_word),
            why_word(self.why),
            self.rule_id,
            self.rate.speed.down.0,
            self.rate.speed.up.0,
            burst.limit.down.0,
            burst.limit.up.0,
            burst.threshold.down.0,
            burst.threshold.up.0,
            burst.seconds,
            self.cdn_daily_level,
            self.cdn_monthly_level,
            self.cdn_speed.map(|it| it.down.0),
            self.cdn_speed.map(|it| it.up.0),
            self.decided_at,
            self.told.map(|(told, _)| told_word(told)),
            self.told.map(|(_, day)| day),
            self.told_level,
        ]
    }
}

/// An account's, if it was ever on a plan.
pub async fn find(conn: &mut Conn, service_id: u64) -> Result<Option<FairUse>> {
    let sql = sql!("SELECT * FROM fair_use WHERE service_id = ?");
    conn.one(sql, params![service_id]).await?.map(|row| FairUse::from_row(&row)).transpose()
}

/// Reads many, for [`Conn::of_many`]; see [`from_rows`].
pub const OF_MANY: Sql = sql!("SELECT * FROM fair_use WHERE service_id IN (?)");

/// What [`OF_MANY`] brought.
pub fn from_rows(rows: &[Row]) -> Result<Vec<FairUse>> {
    rows.iter().map(FairUse::from_row).collect()
}

/// Routers that have accounts on plans.
pub async fn servers(conn: &mut Conn) -> Result<HashSet<u64>> {
    let sql = sql!(
        "SELECT s.id FROM server s WHERE EXISTS (SELECT 1 FROM account a WHERE a.server_id = s.id AND a.plan_id > 0 \
         AND a.state = 'made') ORDER BY s.id"
    );
    conn.rows(sql, vec![]).await?.iter().map(|row| row.get("id")).collect()
}

/// The plans that a router's accounts are on.
pub async fn plans_of(conn: &mut Conn, server_id: u64) -> Result<Vec<u64>> {
    let sql = sql!(
        "SELECT DISTINCT plan_id FROM account WHERE server_id = ? AND plan_id > 0 AND state = 'made' ORDER BY plan_id"
    );
    conn.rows(sql, params![server_id]).await?.iter().map(|row| row.get("plan_id")).collect()
}

/// Forgets one of an account that never came to be.
pub async fn forget(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM fair_use WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}

/// A service has ended: what was told to its customer, and what staff settled for him, is not the next one's. What was used
/// stays: who comes back within a cycle goes on in it.
pub async fn end(conn: &mut Conn, service_id: u64) -> Result<()> {
    let sql = sql!(
        "UPDATE fair_use SET told = NULL, told_day = NULL, told_level = 0, staff_down_kbps = NULL, staff_up_kbps = NULL, \
         staff_price = NULL WHERE service_id = ?"
    );
    conn.execute(sql, params![service_id]).await.map(|_| ())
}

/// Those of a router's accounts. Their accounts are to be locked first.
pub async fn of_server(conn: &mut Conn, server_id: u64) -> Result<HashMap<u64, FairUse>> {
    let sql = sql!(
        "SELECT f.* FROM fair_use f JOIN account a ON a.service_id = f.service_id \
         WHERE a.server_id = ? AND a.state = 'made' AND a.plan_id IS NOT NULL ORDER BY f.service_id"
    );
    let rows = conn.rows(sql, params![server_id]).await?;
    rows.iter().map(|row| FairUse::from_row(row).map(|it| (it.service_id, it))).collect()
}

/// Writes them, in a few round trips.
pub async fn save(conn: &mut Conn, all: &[&FairUse]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO fair_use (service_id, day_began_at, cycle_began_at, cycle_due, daily_down_bytes, daily_up_bytes, \
         monthly_down_bytes, monthly_up_bytes, online_seconds, cdn_daily_bytes, cdn_monthly_bytes, bonus_bytes, \
         staff_down_kbps, staff_up_kbps, staff_price, daily_level, monthly_level, full_quota, why, rule_id, down_kbps, \
         up_kbps, burst_down_kbps, burst_up_kbps, burst_threshold_down_kbps, burst_threshold_up_kbps, burst_seconds, \
         cdn_daily_level, cdn_monthly_level, cdn_down_kbps, cdn_up_kbps, decided_at, told, told_day, told_level) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (service_id) DO UPDATE SET day_began_at = excluded.day_began_at, \
         cycle_began_at = excluded.cycle_began_at, cycle_due = excluded.cycle_due, \
         daily_down_bytes = excluded.daily_down_bytes, daily_up_bytes = excluded.daily_up_bytes, \
         monthly_down_bytes = excluded.monthly_down_bytes, monthly_up_bytes = excluded.monthly_up_bytes, \
         online_seconds = excluded.online_seconds, cdn_daily_bytes = excluded.cdn_daily_bytes, \
         cdn_monthly_bytes = excluded.cdn_monthly_bytes, bonus_bytes = excluded.bonus_bytes, \
         staff_down_kbps = excluded.staff_down_kbps, staff_up_kbps = excluded.staff_up_kbps, \
         staff_price = excluded.staff_price, daily_level = excluded.daily_level, monthly_level = excluded.monthly_level, \
         full_quota = excluded.full_quota, why = excluded.why, rule_id = excluded.rule_id, \
         down_kbps = excluded.down_kbps, up_kbps = excluded.up_kbps, burst_down_kbps = excluded.burst_down_kbps, \
         burst_up_kbps = excluded.burst_up_kbps, burst_threshold_down_kbps = excluded.burst_threshold_down_kbps, \
         burst_threshold_up_kbps = excluded.burst_threshold_up_kbps, burst_seconds = excluded.burst_seconds, \
         cdn_daily_level = excluded.cdn_daily_level, cdn_monthly_level = excluded.cdn_monthly_level, \
         cdn_down_kbps = excluded.cdn_down_kbps, cdn_up_kbps = excluded.cdn_up_kbps, decided_at = excluded.decided_at, \
         told = excluded.told, told_day = excluded.told_day, told_level = excluded.told_level"
    );
    conn.batch(sql, all.iter().map(|it| it.columns()).collect()).await
}

fn strange(column: &str, word: &str) -> crate::db::Error {
    crate::db::Error::Defect(format!("fair_use.{column} holds {word}"))
}

fn quota_word(quota: Quota) -> &'static str {
    match quota {
        Quota::Daily => "daily",
        Quota::Monthly => "monthly",
        Quota::Time => "time",
    }
}

fn quota(word: &str) -> Result<Quota> {
    [Quota::Daily, Quota::Monthly, Quota::Time]
        .into_iter()
        .find(|it| quota_word(*it) == word)
        .ok_or_else(|| strange("full_quota", word))
}

fn told_word(told: Told) -> &'static str {
    match told {
        Told::Slowed => "slowed",
        Told::Restored => "restored",
    }
}

fn told_of(word: &str) -> Result<Told> {
    let found = [Told::Slowed, Told::Restored].into_iter().find(|it| told_word(*it) == word);
    found.ok_or_else(|| strange("told", word))
}

/// Its word: `full`, `daily-1`, `monthly-6`, `quota`.
fn why_word(why: Why) -> String {
    match why {
        Why::Full => "full".to_owned(),
        Why::Daily(level) => format!("daily-{level}"),
        Why::Monthly(level) => format!("monthly-{level}"),
        Why::Quota(_) => "quota".to_owned(),
    }
}

fn why(word: &str, full_quota: Option<Quota>) -> Result<Why> {
    let level = |text: &str| text.parse().map_err(|_error| strange("why", word));
    match (word, word.split_once('-')) {
        ("full", _) => Ok(Why::Full),
        ("quota", _) => full_quota.map(Why::Quota).ok_or_else(|| strange("why", word)),
        (_, Some(("daily", text))) => level(text).map(Why::Daily),
        (_, Some(("monthly", text))) => level(text).map(Why::Monthly),
        _ => Err(strange("why", word)),
    }
}

/// Whether it was since then. What began later than now began before our clock was set back.
fn is_since(at: DateTime<Utc>, began: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at >= began || began > now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fair() -> FairUse {
        let at = DateTime::UNIX_EPOCH;
        FairUse {
            service_id: 41,
            day_began_at: at,
            cycle_began_at: at,
            cycle_due: None,
            daily: Volume::ZERO,
            monthly: Volume::ZERO,
            online_seconds: 0,
            cdn_daily: Bytes::ZERO,
            cdn_monthly: Bytes::ZERO,
            bonus: Bytes::ZERO,
            staff: Override::default(),
            daily_level: 0,
            monthly_level: 0,
            full_quota: None,
            why: Why::Full,
            rule_id: None,
            rate: Rate::plain(Speed::new(10_000, 2_000)),
            cdn_daily_level: 0,
            cdn_monthly_level: 0,
            cdn_speed: None,
            decided_at: at,
            told: None,
            told_level: 0,
        }
    }

    #[test]
    fn of_each_level_a_customer_is_told_once_and_of_deeper_ones_once_a_day() {
        let mut fair = fair();
        let (one, two) = ("2026-11-20".parse().unwrap(), "2026-11-21".parse().unwrap());
        for (day, level, told) in [
            (one, 0, None),
            (one, 1, Some(Told::Slowed)),
            (one, 1, None),
            // Deeper on the same day: told on the next, if it still holds.
            (one, 2, None),
            (two, 2, Some(Told::Slowed)),
            (two, 2, None),
            // A level that was left is news when it comes back, though not on the day of the last letter.
            (two, 1, None),
            (two, 2, None),
            (two, 0, Some(Told::Restored)),
            (two, 0, None),
            (two, 3, Some(Told::Slowed)),
        ] {
            fair.daily_level = level;
            fair.why = if level == 0 { Why::Full } else { Why::Daily(level) };
            let news = fair.news(day);
            assert_eq!(news, told, "{day} {level}");
            assert_eq!(fair.news(day), told, "news until it is told: {day} {level}");
            if let Some(news) = news {
                fair.was_told(news, day);
            }
        }
        fair.why = Why::Quota(Quota::Daily);
        assert_eq!(fair.depth(), u8::MAX, "below every tier");
    }
}

//! What the books of all accounts must agree in, and what they say of one.

use crate::world::{GB, TestApp};
use chrono::NaiveDate;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use turnpike::{
    account::{Account, State},
    app::App,
    db::Conn,
    params, sql,
    units::Volume,
    usage::{counters, history, ledger},
};

/// What the books say of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// By the months, which are kept for ever.
    pub down: u64,
    pub up: u64,
    /// By the ledger.
    pub charged: u64,
    pub balance: i64,
    /// Put aside, not charged.
    pub quarantined: u64,
}

impl Booked {
    pub fn total(&self) -> u64 {
        self.down + self.up
    }
}

/// What the books say of a service.
pub async fn booked(app: &App, service_id: u64) -> Booked {
    let mut conn = app.db.read().await.unwrap();
    let months = history::months(&mut conn, service_id).await.unwrap();
    let sum = |way: fn(&Volume) -> u64| months.iter().map(|(_, it)| way(&it.raw)).sum();
    let charged: u64 = charged(&mut conn, service_id).await.values().sum();
    let balance = Account::find(&mut conn, service_id).await.unwrap().unwrap().balance;
    let aside = sql!("SELECT COALESCE(SUM(down_bytes + up_bytes), 0) AS bytes FROM quarantine WHERE service_id = ?");
    let aside = conn.one(aside, params![service_id]).await.unwrap().unwrap();
    Booked {
        down: sum(|it| it.down.0),
        up: sum(|it| it.up.0),
        charged,
        balance,
        quarantined: aside.get("bytes").unwrap(),
    }
}

/// What was charged, by day.
async fn charged(conn: &mut Conn, service_id: u64) -> BTreeMap<String, u64> {
    let entries = ledger::latest(conn, service_id, u32::MAX).await.unwrap();
    let usage = entries.into_iter().filter(|it| it.kind == "usage" && it.bytes != 0);
    usage.map(|it| (it.once, u64::try_from(-it.bytes).unwrap())).collect()
}

/// The books of every account agree: the balance is the ledger's sum; the ledger's usage, the days and the months are one
/// figure, or the ledger has none. For accounts that have been metered, or not, all their life and whose days are all kept.
pub async fn assert_books_equal(app: &App) {
    let mut conn = app.db.read().await.unwrap();
    let all = sql!("SELECT service_id FROM standing ORDER BY service_id");
    let standings = conn.rows(all, vec![]).await.unwrap();
    assert!(!standings.is_empty());
    for row in standings {
        let id: u64 = row.get("service_id").unwrap();
        let account = Account::find(&mut conn, id).await.unwrap().unwrap();
        assert_eq!(ledger::sum(&mut conn, id).await.unwrap(), account.balance, "balance of {id}");
        let charged = charged(&mut conn, id).await;
        let days = history::days(&mut conn, id, NaiveDate::MIN).await.unwrap();
        let counted: BTreeMap<String, u64> = (days.iter())
            .map(|(day, it)| (day.to_string(), it.counted.total().0))
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        let counted = if account.is_metered() { counted } else { BTreeMap::new() };
        assert_eq!(charged, counted, "the ledger's days and the history's of {id}");
        let raw = |moved: &history::Moved| moved.raw.total().0;
        let months = history::months(&mut conn, id).await.unwrap();
        let (days, months): (u64, u64) =
            (days.iter().map(|(_, it)| raw(it)).sum(), months.iter().map(|(_, it)| raw(it)).sum());
        assert_eq!(days, months, "days and months of {id}");
    }
}

/// What carries our mark on the router is what the books say in every property that we set, and nothing else: each account that lives has one secret and
/// one queue, on while it has no cause to be off; one that is gone has nothing.
pub async fn assert_router_agrees(app: &TestApp) {
    let mut conn = app.app.db.read().await.unwrap();
    let all = sql!("SELECT service_id FROM account ORDER BY service_id");
    let (mut secrets, mut queues) = (BTreeMap::new(), BTreeMap::new());
    for row in conn.rows(all, vec![]).await.unwrap() {
        let account = Account::find(&mut conn, row.get("service_id").unwrap()).await.unwrap().unwrap();
        assert_ne!(account.state, State::New, "{} was begun and never finished", account.service_id);
        if account.state == State::Made {
            let (address, password) = (account.address, account.password(&app.app.seal).unwrap());
            let disabled = (!account.causes.is_enabled()).to_string();
            let sold = &account.settings;
            let comment = format!("WHMCS|Product ID:{}|{}", account.service_id, account.sold.email);
            let secret = [address.to_string(), password.expose_secret().to_owned(), disabled];
            let secret =
                secret.into_iter().chain([sold.profile.clone(), sold.ppp_service.as_str().to_owned(), comment.clone()]);
            secrets.insert(account.username.clone(), secret.map(Some).collect::<Vec<_>>());
            let queue = [format!("{address}/32"), "false".to_owned(), comment].map(Some);
            let speed = |kbps: turnpike::units::Kbps| u64::from(kbps.0) * 1000;
            let limit = format!("{}/{}", speed(sold.speed.up), speed(sold.speed.down));
            // What a plan makes of it is asserted where the plan is.
            queues.insert(account.username.clone(), (queue, sold.plan.is_none().then_some(limit)));
        }
    }
    let shown = |menu: &str| -> Vec<(String, String)> {
        app.router.world(|world| {
            let ours = |row: &&turnpike::simulator::Row| row.get("comment").is_some_and(|it| it.starts_with("WHMCS|"));
            let rows = world.table(menu).rows().iter().filter(ours);
            rows.map(|row| (row.id(), row.get("name").unwrap().to_owned())).collect()
        })
    };
    let of = |menu: &str, id: &str, names: &[&str]| -> Vec<Option<String>> {
        names.iter().map(|name| app.router.world(|world| world.get(menu, id, name))).collect()
    };
    let rows = shown("/ppp/secret");
    assert_eq!(rows.len(), secrets.len(), "secrets: {rows:?}");
    for (id, name) in rows {
        let shown = ["remote-address", "password", "disabled", "profile", "service", "comment"];
        assert_eq!(of("/ppp/secret", &id, &shown), secrets[&name], "{name}");
    }
    let rows = shown("/queue/simple");
    assert_eq!(rows.len(), queues.len(), "queues: {rows:?}");
    for (id, name) in rows {
        let (queue, limit) = &queues[&name];
        assert_eq!(of("/queue/simple", &id, &["target", "disabled", "comment"]), queue, "{name}");
        if limit.is_some() {
            assert_eq!(of("/queue/simple", &id, &["max-limit"])[0], *limit, "{name}");
        }
    }
}

/// How many resets stand open.
pub async fn open_resets(app: &App) -> u64 {
    counters::open_intents(&mut app.db.read().await.unwrap()).await.unwrap().0
}

/// Accounts on the router and in the books, past the front door: `create` one by one would take minutes.
pub async fn many(app: &TestApp, count: u64) {
    app.create(1).await;
    let template = app.router.world(|world| {
        world.populate(u32::try_from(count - 1).unwrap(), |n| format!("WHMCS|Product ID:{}|ada@example.net", n + 1));
        world.table("/queue/simple").rows().len()
    });
    assert_eq!(template as u64, count);
    let mut conn = app.app.db.read().await.unwrap();
    let first = Account::find(&mut conn, 1).await.unwrap().unwrap();
    drop(conn);
    let mut tx = app.app.db.begin().await.unwrap();
    let mut baselines = Vec::new();
    for id in 2..=count {
        let name = format!("user{:05}", id - 1);
        let mut account = first.clone();
        (account.service_id, account.username) = (id, name.clone());
        let target = app.router.world(|world| world.get("/queue/simple", &name, "target")).unwrap();
        account.address = target.trim_end_matches("/32").parse().unwrap();
        account.save(&mut tx, app.clock.now()).await.unwrap();
        account.save_standing(&mut tx, app.clock.now()).await.unwrap();
        let packet = ledger::Kind::Packet;
        let grant = ledger::enter(&mut tx, id, (packet, "first"), (10 * GB) as i64, "", app.clock.now());
        assert!(grant.await.unwrap());
        let ros_id = app.router.world(|world| world.get("/queue/simple", &name, ".id")).unwrap();
        baselines.push((id, turnpike::usage::reading::Counter::zero(ros_id)));
    }
    counters::put(&mut tx, &baselines, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

impl TestApp {
    /// What the customer carried and nobody was charged for: never less than nothing.
    #[track_caller]
    pub fn uncharged(&self, username: &str, booked: Booked) -> u64 {
        let (down, up) = self.router.carried(username);
        assert!(
            booked.down <= down && booked.up <= up && booked.charged <= down + up,
            "charged too much: {booked:?} of {down}/{up} carried"
        );
        down + up - booked.total()
    }

    /// A figure of `/metrics`.
    pub async fn metric(&self, name: &str) -> u64 {
        let value =
            self.metrics().await.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }

    /// The sum of a figure of `/metrics` over all its labels.
    pub async fn metric_in_all(&self, name: &str) -> u64 {
        let of = |line: &str| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?.1.parse::<u64>().ok();
        self.metrics().await.lines().filter_map(of).sum()
    }

    async fn metrics(&self) -> String {
        reqwest::get(format!("{}/metrics", self.ops())).await.unwrap().text().await.unwrap()
    }

    /// Calls for a collection until it is made: after a fault the router may be left alone for a moment.
    pub async fn collect_at_last(&self) {
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let answer = self.hook("usage-update", &self.body(1)).await;
            if answer.status == 200 {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "{}", answer.body);
            // A login that works makes the connection be tried again at once.
            self.hook("test-connection", &self.body(1)).await;
        }
    }
}

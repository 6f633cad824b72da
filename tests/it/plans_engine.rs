//! Plans at work: what is used decides at every reading, the router goes as fast as decided, and nobody is disconnected.

use crate::{
    books_check::{assert_books_equal, booked},
    crash_kills::{By, dies},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::{
    account::fair_use::{self, FairUse, Override},
    plan::fup::{Quota, Why},
    simulator::{Fault, When},
    units::{Bytes, Kbps, Volume},
    work::{
        collect::{self, Scope},
        fair_use::{Change, intervene},
    },
};

const SET: &str = "/queue/simple/set";

/// Steps by the day and by the cycle, a burst, and free nights.
pub fn gold() -> Value {
    json!({
        "name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M",
        "burst_download": "20M", "burst_upload": "4M", "burst_threshold": 75, "burst_time": 10,
        "fup1_threshold": "10 GB", "fup1_download_speed": "4M", "fup1_upload_speed": "1M",
        "fup3_threshold": "20 GB", "fup3_download_speed": "2M", "fup3_upload_speed": "512k",
        "monthly_fup1_threshold": "40 GB", "monthly_fup1_download_speed": "3M", "monthly_fup1_upload_speed": "1M",
    })
}

pub fn with(more: Value) -> Value {
    let mut body = gold();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

impl TestApp {
    /// A body of a service on the plan, at the plan's own speed and unmetered.
    pub fn plan_body(&self, service_id: u64, over: Value) -> Value {
        let mut settings = json!({
            "plan": "Gold", "download_mbps": "", "upload_mbps": "", "traffic_gb_monthly": "",
            "slowed_template": "slowed", "restored_template": "restored",
        });
        settings.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        self.body_with(service_id, &json!({"settings": settings}))
    }

    /// Creates the service on the plan and dials in; its user name.
    pub async fn create_on_plan(&self, service_id: u64, over: Value) -> String {
        let made = self.hook("create", &self.plan_body(service_id, over)).await.ok();
        self.dial(&made);
        made["service"]["username"].as_str().unwrap().to_owned()
    }

    pub async fn fair(&self, service_id: u64) -> FairUse {
        fair_use::find(&mut self.app.db.read().await.unwrap(), service_id).await.unwrap().unwrap()
    }

    /// Half a minute passes in which so much is received, then what is due is done.
    pub async fn receive(&self, user: &str, bytes: u64) {
        assert!(self.router.carry(user, bytes, 0));
        self.pass(Duration::seconds(30));
        self.step().await;
    }

    /// The queue's limits: max-limit, burst-limit.
    pub fn limits(&self, user: &str) -> (String, String) {
        (self.queue(user, "max-limit").unwrap(), self.queue(user, "burst-limit").unwrap_or_default())
    }

    pub fn max_limit(&self, user: &str) -> String {
        self.queue(user, "max-limit").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiers_are_reached_in_order_and_the_router_follows_within_a_reading_without_a_disconnect() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    assert_eq!(app.limits(&user), ("2000000/10000000".into(), "4000000/20000000".into()), "from the first");
    app.step().await;
    for (gb, why, limits) in [
        (9, Why::Full, ("2000000/10000000", "4000000/20000000")),
        (1, Why::Daily(1), ("1000000/4000000", "0/0")),
        (9, Why::Daily(1), ("1000000/4000000", "0/0")),
        (1, Why::Daily(3), ("512000/2000000", "0/0")),
        (20, Why::Daily(3), ("512000/2000000", "0/0")),
    ] {
        app.receive(&user, gb * GB).await;
        assert_eq!(app.fair(41).await.why, why);
        assert_eq!(app.limits(&user), (limits.0.into(), limits.1.into()), "{why:?}");
    }
    let fair = app.fair(41).await;
    assert_eq!((fair.daily_level, fair.monthly_level), (3, 1), "both are known, the slower holds");
    assert_eq!((fair.daily, fair.monthly), (Volume::new(40 * GB, 0), Volume::new(40 * GB, 0)));
    app.pass(Duration::hours(13));
    app.step().await;
    assert_eq!(app.fair(41).await.why, Why::Monthly(1), "a new day; the cycle's step stays");
    assert_eq!(app.max_limit(&user), "1000000/3000000");
    assert!(app.router.is_online(&user) && app.commands("/ppp/active/remove") == 0, "nobody was disconnected");
    assert_eq!(app.account(41).await["pending"], 0);
    let mut due = app.plan_body(41, json!({}));
    due["service"]["next_due_date"] = json!("2027-01-01");
    app.hook("renew", &due).await.ok();
    assert_eq!(app.max_limit(&user), "2000000/10000000", "a renewal frees at once");
    app.hook("renew", &due).await.ok();
    app.receive(&user, GB).await;
    app.hook("renew", &due).await.ok();
    assert_eq!(app.fair(41).await.monthly, Volume::new(GB, 0), "and only once for its date");
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_fup_keeps_the_burst_and_rules_multiply_what_holds() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"soft_fup_enabled": true}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 10 * GB).await;
    assert_eq!(app.fair(41).await.rate.to_string(), "1000k/4000k 4000k/20000k 750k/3000k 10/10");
    assert_eq!(app.limits(&user), ("1000000/4000000".into(), "4000000/20000000".into()));
    assert_eq!(app.queue(&user, "burst-threshold").unwrap(), "750000/3000000");
    let rule = json!({"name": "evenings", "download_percent": 50, "upload_percent": 200, "time_from": "12:05", "time_to": "12:10"});
    let made = app.send("POST", "/v1/bandwidth-rules", &rule).await;
    assert_eq!(made.status, 201, "{}", made.body);
    app.pass(Duration::minutes(5));
    app.step().await;
    assert_eq!(app.max_limit(&user), "2000000/2000000", "nothing was moved; the hour changed it");
    assert_eq!(app.fair(41).await.rule_id, made.body["id"].as_u64());
    app.pass(Duration::minutes(5));
    app.step().await;
    assert_eq!(app.max_limit(&user), "1000000/4000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn free_hours_are_not_counted_and_history_keeps_both() {
    let free = json!({
        "time_based_speed_enabled": true, "time_from": "13:00", "time_to": "14:00",
        "download_ratio": 70, "upload_ratio": 100,
    });
    let app = TestApp::new().await;
    app.plan(&with(free)).await;
    let user = app.create_on_plan(41, json!({"traffic_gb_monthly": "10"})).await;
    app.step().await;
    // From noon to three: a third of it between one and two, of which 30 % of the download counts.
    assert!(app.router.carry(&user, 3_000, 300));
    app.pass(Duration::hours(3));
    app.step().await;
    let counted = Volume::new(2_300, 200);
    let fair = app.fair(41).await;
    assert_eq!((fair.daily, fair.monthly), (counted, counted));
    let books = booked(&app.app, 41).await;
    assert_eq!((books.down, books.up, books.charged), (3_000, 300, 2_500));
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_reset_is_neither_skipped_nor_doubled() {
    let mut app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 12 * GB).await;
    assert_eq!(app.fair(41).await.why, Why::Daily(1));
    // Asleep from ten minutes before the reset to ten minutes after it: half of what came then is the new day's.
    app.clock.set("2026-11-20T23:55:00Z".parse().unwrap());
    app.step().await;
    app.restart().await;
    assert!(app.router.carry(&user, 2 * MB, 0));
    app.pass(Duration::minutes(20));
    app.step().await;
    let fair = app.fair(41).await;
    assert_eq!(fair.day_began_at.to_rfc3339(), "2026-11-21T00:05:00+00:00");
    assert_eq!((fair.daily, fair.why), (Volume::new(MB, 0), Why::Full));
    assert_eq!(fair.monthly, Volume::new(12 * GB + 2 * MB, 0));
    for _ in 0..3 {
        app.restart().await;
        app.receive(&user, MB).await;
    }
    assert_eq!(app.fair(41).await.daily, Volume::new(4 * MB, 0), "not again, however often it starts");
    // Three days away: one reset, the last; and only what fell after it is today's.
    app.clock.set("2026-11-21T00:10:00Z".parse().unwrap());
    app.step().await;
    app.pass(Duration::days(3));
    assert!(app.router.carry(&user, 3 * 1440, 0));
    app.step().await;
    let fair = app.fair(41).await;
    assert_eq!(fair.day_began_at.to_rfc3339(), "2026-11-24T00:05:00+00:00");
    assert!(fair.daily.down.0 >= 5 && fair.daily.down.0 <= 30, "{:?}", fair.daily);
}

/// The machine had the wrong time for a while: the day that began then does not begin once more when its hour comes again, and
/// what is moved meanwhile counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_does_not_begin_twice_because_the_clock_was_set_back() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.clock.set("2026-11-21T00:20:00Z".parse().unwrap());
    app.step().await;
    app.receive(&user, 12 * GB).await;
    for back in [40, 90] {
        app.clock.set(app.clock.now() - Duration::minutes(back));
        app.step().await;
    }
    app.receive(&user, GB).await;
    assert_eq!((app.fair(41).await.daily, app.fair(41).await.why), (Volume::new(13 * GB, 0), Why::Daily(1)));
    while app.clock.now() < "2026-11-21T03:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() {
        app.pass(Duration::minutes(17));
        app.step().await;
    }
    app.receive(&user, MB).await;
    assert_eq!(app.fair(41).await.daily, Volume::new(13 * GB + MB, 0), "the day had begun");
    assert_eq!(app.fair(41).await.monthly, Volume::new(13 * GB + MB, 0));
    app.pass(Duration::days(1));
    app.step().await;
    assert_eq!(app.fair(41).await.why, Why::Full, "the next day begins");
    // One that stood a year ahead is put right: no year without a day.
    app.clock.set(app.clock.now() + Duration::days(365));
    app.receive(&user, GB).await;
    app.clock.set(app.clock.now() - Duration::days(365));
    app.receive(&user, GB).await;
    app.pass(Duration::days(1));
    app.step().await;
    assert_eq!(app.fair(41).await.daily, Volume::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_begins_once_where_the_clocks_are_changed() {
    for (start, resets) in [
        // 00:05 comes twice on 25 October in the Azores (the clocks go from 1:00 back to 0:00).
        (
            "2026-10-24T20:00:00Z",
            ["2026-10-24T00:05:00+00:00", "2026-10-25T00:05:00+00:00", "2026-10-26T01:05:00+00:00"],
        ),
        // And not at all on 29 March: the clocks go from 0:00 to 1:00.
        (
            "2026-03-28T20:00:00Z",
            ["2026-03-28T01:05:00+00:00", "2026-03-29T01:00:00+00:00", "2026-03-30T00:05:00+00:00"],
        ),
    ] {
        let app = TestApp::with("time.zone = \"Atlantic/Azores\"\n").await;
        app.clock.set(start.parse().unwrap());
        app.plan(&gold()).await;
        let user = app.create_on_plan(41, json!({})).await;
        let mut seen = vec![];
        for _ in 0..(2 * 24 * 4) {
            app.pass(Duration::minutes(15));
            assert!(app.router.carry(&user, MB, 0));
            app.step().await;
            let began = app.fair(41).await.day_began_at.to_rfc3339();
            if seen.last() != Some(&began) {
                seen.push(began);
            }
        }
        assert_eq!(seen[1..], resets[1..], "from {start}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_blocks_and_frees_at_reset_renewal_and_bonus() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"daily_quota": "2 GB", "monthly_quota": "5 GB", "quota_action": "block"}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    let causes = async || app.account(41).await["causes"].clone();
    app.receive(&user, 2 * GB).await;
    assert_eq!((causes().await, app.secret(&user, "disabled").unwrap()), (json!(["quota"]), "true".into()));
    assert!(!app.router.is_online(&user), "blocked is off");
    assert_eq!(app.fair(41).await.full_quota, Some(Quota::Daily));
    assert_eq!(app.mails().len(), 1, "one letter of the block");
    // The day begins again: freed without anybody's doing, though nothing is moved.
    app.pass(Duration::hours(13));
    app.step().await;
    assert_eq!((causes().await, app.secret(&user, "disabled").unwrap()), (json!([]), "false".into()));
    let password = app.secret(&user, "password").unwrap();
    let dial = || app.router.connect(&user, &password, "l2tp", "198.51.100.7").unwrap();
    dial();
    app.receive(&user, 3 * GB).await;
    assert_eq!((causes().await, app.fair(41).await.full_quota), (json!(["quota"]), Some(Quota::Monthly)));
    // A paid reset of the day is not enough; a bonus is.
    let reset = json!({"what": "daily", "key": "invoice-item/7", "note": "paid"});
    let mut body = app.plan_body(41, json!({}));
    body["hook"] = reset;
    app.hook("fup-reset", &body).await.ok();
    assert_eq!(causes().await, json!(["quota"]));
    intervene(&app.app, 41, &Change::Bonus(GB as i64), "staff/1", "").await.unwrap();
    assert_eq!((causes().await, app.secret(&user, "disabled").unwrap()), (json!([]), "false".into()));
    dial();
    app.receive(&user, GB).await;
    assert_eq!(causes().await, json!(["quota"]));
    body["service"]["next_due_date"] = json!("2027-01-01");
    app.hook("renew", &body).await.ok();
    assert_eq!(causes().await, json!([]), "a renewal frees");
    assert_eq!(app.fair(41).await.bonus, Bytes::ZERO, "and the bonus was for the cycle before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_reset_works_once_a_key_and_a_bonus_with_other_bytes_is_refused() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 12 * GB).await;
    let mut body = app.plan_body(41, json!({}));
    body["hook"] = json!({"what": "daily", "key": "invoice-item/7", "note": "paid"});
    let answer = app.hook("fup-reset", &body).await.ok();
    assert_eq!(answer["account"]["pending"], 0);
    assert_eq!((app.fair(41).await.daily, app.max_limit(&user)), (Volume::ZERO, "2000000/10000000".into()));
    app.receive(&user, 11 * GB).await;
    app.hook("fup-reset", &body).await.ok();
    assert_eq!(app.fair(41).await.why, Why::Daily(1), "the same item again resets nothing");
    for (hook, refusal) in [
        (json!({"what": "daily"}), (400, "malformed", "hook.key")),
        (json!({"what": "weekly", "key": "k"}), (422, "setting-invalid", "hook.what")),
        (json!({"key": "k".repeat(129)}), (422, "setting-invalid", "hook.key")),
    ] {
        body["hook"] = hook;
        assert_eq!(app.hook("fup-reset", &body).await.refusal(), refusal);
    }
    intervene(&app.app, 41, &Change::Bonus(5), "staff/1", "").await.unwrap();
    intervene(&app.app, 41, &Change::Bonus(5), "staff/1", "").await.unwrap();
    assert_eq!(app.fair(41).await.bonus, Bytes(5));
    let refused = intervene(&app.app, 41, &Change::Bonus(6), "staff/1", "").await.unwrap_err();
    assert_eq!(refused.code.as_str(), "key-reused");
    // Without a plan there is nothing to begin again.
    app.create(42).await;
    let mut other = app.body(42);
    other["hook"] = json!({"key": "k"});
    assert_eq!(app.hook("fup-reset", &other).await.code(), "no-such-plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_settle_another_speed_and_a_router_that_is_away_is_told_later() {
    let app = TestApp::with("router.connect_seconds = 1\nrouter.login_seconds = 1\n").await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    let staff = |down: Option<u32>| Override { down: down.map(Kbps), up: None, price: Some("5.00".into()) };
    intervene(&app.app, 41, &Change::Override(staff(Some(6_000))), "staff/1", "").await.unwrap();
    assert_eq!(app.max_limit(&user), "2000000/6000000");
    app.router.fault_at(When::Login, Fault::Refuse);
    app.router.cut();
    app.router.fault_at(When::every(SET), Fault::Refuse);
    let answer = intervene(&app.app, 41, &Change::Override(staff(None)), "staff/2", "").await.unwrap();
    assert_eq!(answer["account"]["pending"], 1, "it waits for the router");
    app.router.clear_faults();
    app.pass(Duration::minutes(2));
    app.step().await;
    app.step().await;
    assert_eq!((app.max_limit(&user), &app.account(41).await["pending"]), ("2000000/10000000".into(), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_tell_of_a_change_once_and_of_the_way_back() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 10 * GB).await;
    app.receive(&user, 10 * GB).await;
    let subjects = || -> Vec<String> {
        let subject = |mail: &String| mail.lines().find(|it| it.starts_with("Subject:")).unwrap().to_owned();
        app.mails().iter().map(subject).collect()
    };
    assert_eq!(subjects().len(), 1, "slowed, once: {:?}", subjects());
    app.pass(Duration::hours(13));
    app.step().await;
    app.step().await;
    assert_eq!(subjects().len(), 2, "and restored: {:?}", subjects());
    assert_ne!(subjects()[0], subjects()[1]);
    // Who wants no letters has none.
    let quiet = app.create_on_plan(42, json!({"slowed_template": "", "restored_template": ""})).await;
    app.receive(&quiet, 0).await;
    app.receive(&quiet, 10 * GB).await;
    assert_eq!((app.fair(42).await.why, subjects().len()), (Why::Daily(1), 2));
}

/// Whose balance is used up is off: nobody writes to him of speeds until he is on again.
#[tokio::test(flavor = "multi_thread")]
async fn whose_balance_is_used_up_is_not_told_of_full_speed() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({"traffic_gb_monthly": "12"})).await;
    app.step().await;
    app.receive(&user, 10 * GB + GB / 2).await;
    let subjects = || -> Vec<String> {
        let subject = |mail: &String| mail.lines().find(|it| it.starts_with("Subject:")).unwrap().to_owned();
        app.mails().iter().map(subject).collect()
    };
    app.receive(&user, 2 * GB).await;
    let before = subjects();
    assert_eq!(app.account(41).await["causes"], json!(["quota"]));
    assert!(before.iter().any(|it| it.contains("Suspension")), "{before:?}");
    app.pass(Duration::hours(13));
    app.step().await;
    app.step().await;
    assert_eq!(app.fair(41).await.why, Why::Full);
    assert_eq!(subjects(), before);
    let renewed = json!({"service": {"next_due_date": "2027-01-01"}, "settings": {"traffic_gb_monthly": "12"}});
    app.hook("renew", &app.body_with(41, &renewed)).await.ok();
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(subjects().len(), before.len() + 1, "and then he is: {:?}", subjects());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speed_that_did_not_reach_the_router_does_with_the_next_reading() {
    for fault in [Fault::Refuse, Fault::ApplyAndLoseReply, Fault::RebootBefore, Fault::Trap("failure".into(), None)] {
        let app = TestApp::with("router.write_seconds = 1\n").await;
        app.plan(&gold()).await;
        let user = app.create_on_plan(41, json!({})).await;
        app.step().await;
        app.router.fault_at(When::at(SET), fault.clone());
        assert!(app.router.carry(&user, 10 * GB, 0));
        app.pass(Duration::seconds(30));
        app.step().await;
        let (fair, books) = (app.fair(41).await, booked(&app.app, 41).await);
        assert_eq!((fair.why, books.down), (Why::Daily(1), 10 * GB), "{fault:?}");
        app.router.clear_faults();
        for _ in 0..2 {
            app.pass(Duration::minutes(1));
            app.step().await;
        }
        assert_eq!(app.max_limit(&user), "1000000/4000000", "{fault:?}");
        assert_eq!(
            (app.fair(41).await.daily, booked(&app.app, 41).await),
            (fair.daily, books),
            "the books do not move"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_queue_is_never_set_and_a_hand_changed_one_of_ours_is_set_back() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.foreign("/queue/simple", &[("name", "by-hand"), ("target", "10.9.9.9/32"), ("max-limit", "1M/1M")]);
    app.step().await;
    app.router.clear_journal();
    app.receive(&user, MB).await;
    assert_eq!(app.commands(SET), 0, "what is right is left alone");
    assert!(app.router.world(|world| world.put("/queue/simple", &user, "max-limit", "0/0")));
    app.receive(&user, MB).await;
    assert_eq!((app.max_limit(&user), app.max_limit("by-hand")), ("2000000/10000000".into(), "1M/1M".into()));
    // With a comment that is not ours it is not ours.
    assert!(app.router.world(|world| world.put("/queue/simple", &user, "comment", "somebody else's")));
    app.receive(&user, 10 * GB).await;
    assert_eq!(app.max_limit(&user), "2000000/10000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_from_a_doubtful_reading_but_the_next_decides() {
    let app = TestApp::with("router.write_seconds = 1\nrouter.print_seconds = 1\n").await;
    app.plan(&with(json!({"download_speed": "0", "upload_speed": "0", "burst_download": 0, "burst_upload": 0}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, GB).await;
    // A reset whose answer is lost, and was not made: with no limit on the line nobody can tell.
    assert!(app.router.carry(&user, MB, 0));
    app.pass(Duration::minutes(30));
    let more = Fault::call(|router| assert!(router.carry("7-41", 12 * GB, 0)));
    app.router.fault_at(When::at("/queue/simple/reset-counters"), more);
    app.router.fault_at(When::at("/queue/simple/reset-counters"), Fault::Refuse);
    app.collect().await;
    let fair = app.fair(41).await;
    assert!(fair.daily.down.0 > 12 * GB, "it is counted: {:?}", fair.daily);
    assert_eq!((fair.why, app.max_limit(&user)), (Why::Full, "0/0".into()), "and nothing follows");
    app.receive(&user, 0).await;
    assert_eq!((app.fair(41).await.why, app.max_limit(&user)), (Why::Daily(1), "1000000/4000000".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_queue_nothing_is_known_to_have_been_used() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 5 * GB).await;
    assert!(app.router.world(|world| world.put("/queue/simple", &user, "comment", "somebody else's")));
    app.receive(&user, 6 * GB).await;
    assert_eq!((app.fair(41).await.why, app.fair(41).await.daily), (Why::Full, Volume::new(5 * GB, 0)));
    let comment = "WHMCS|Product ID:41|ada@example.net";
    assert!(app.router.world(|world| world.put("/queue/simple", &user, "comment", comment)));
    app.receive(&user, 0).await;
    assert_eq!((app.fair(41).await.why, booked(&app.app, 41).await.down), (Why::Daily(1), 11 * GB));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_may_name_its_server_and_its_pool() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"nas_id": 4}))).await;
    let refused = ("settings.plan".to_owned(), 422);
    let answer = app.refused("create", &app.plan_body(41, json!({}))).await;
    assert_eq!((answer.2, answer.0), refused, "{}", answer.1);
    app.create(42).await;
    let answer = app.refused("change-package", &app.plan_body(42, json!({}))).await;
    assert_eq!((answer.2, answer.0), refused, "{}", answer.1);
    app.plan(&with(json!({"name": "Pool", "nas_id": 3, "pool_name": "fup"}))).await;
    let body = app.plan_body(41, json!({"plan": "Pool"}));
    let answer = app.refused("create", &body).await;
    assert_eq!((answer.2, answer.0), refused, "no such pool on the router yet");
    app.foreign("/ip/pool", &[("name", "fup"), ("ranges", "10.99.0.10-10.99.0.11,10.99.0.20")]);
    for (id, address) in [(41, "10.99.0.10"), (43, "10.99.0.11"), (44, "10.99.0.20")] {
        let mut body = app.plan_body(id, json!({"plan": "Pool"}));
        body["service"]["id"] = json!(id);
        assert_eq!(app.hook("create", &body).await.ok()["service"]["dedicated_address"], address);
        assert_eq!(app.hook("create", &body).await.ok()["service"]["dedicated_address"], address, "and stays");
    }
    assert_eq!(app.refused("create", &app.plan_body(45, json!({"plan": "Pool"}))).await.1, "addresses-exhausted");
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_online_are_a_quota_and_never_more_than_what_passed() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"time_quota": 60, "quota_action": "block"}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.pass(Duration::minutes(59));
    app.step().await;
    assert_eq!(app.fair(41).await.online_seconds, 59 * 60);
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!((app.fair(41).await.full_quota, app.router.is_online(&user)), (Some(Quota::Time), false));
    app.pass(Duration::minutes(10));
    app.step().await;
    assert_eq!(app.fair(41).await.online_seconds, 60 * 60, "off is not online");
    app.pass(Duration::hours(12));
    app.step().await;
    assert_eq!((app.fair(41).await.online_seconds, app.account(41).await["enabled"].clone()), (0, json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_may_leave_a_plan_and_come_back_to_what_was_used() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 12 * GB).await;
    assert_eq!(app.max_limit(&user), "1000000/4000000");
    app.hook("change-package", &app.plan_body(41, json!({"plan": "", "download_mbps": "10"}))).await.ok();
    assert_eq!(app.limits(&user), ("10000000/10000000".into(), "0/0".into()));
    app.receive(&user, GB).await;
    app.hook("change-package", &app.plan_body(41, json!({}))).await.ok();
    assert_eq!(app.max_limit(&user), "1000000/4000000", "the day is not over");
    assert_eq!(app.fair(41).await.daily, Volume::new(12 * GB, 0), "what came without the plan is not the plan's");
    let mut next = app.plan_body(41, json!({"plan": ""}));
    app.hook("change-package", &next).await.ok();
    next["service"]["next_due_date"] = json!("2027-01-01");
    app.hook("renew", &next).await.ok();
    let mut back = app.plan_body(41, json!({}));
    back["service"]["next_due_date"] = json!("2027-01-01");
    app.hook("change-package", &back).await.ok();
    assert_eq!(app.fair(41).await.monthly, Volume::ZERO, "another cycle");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_renewed_begins_its_cycles_by_the_plans_length() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"entire_month": true}))).await;
    let mut body = app.plan_body(41, json!({}));
    (body["service"]["billing_cycle"], body["service"]["next_due_date"]) = (json!("Free Account"), json!("0000-00-00"));
    let made = app.hook("create", &body).await.ok();
    app.dial(&made);
    let user = made["service"]["username"].as_str().unwrap().to_owned();
    app.step().await;
    app.receive(&user, 41 * GB).await;
    assert_eq!(app.fair(41).await.monthly_level, 1);
    for (day, began) in [
        ("2026-11-30T23:00:00Z", "2026-11-20T12:00:00+00:00"),
        ("2026-12-01T01:00:00Z", "2026-12-01T00:00:00+00:00"),
        ("2027-01-31T12:00:00Z", "2027-01-01T00:00:00+00:00"),
    ] {
        app.clock.set(day.parse().unwrap());
        app.step().await;
        assert_eq!(app.fair(41).await.cycle_began_at.to_rfc3339(), began, "on {day}");
    }
    assert_eq!((app.fair(41).await.monthly, app.max_limit(&user)), (Volume::ZERO, "2000000/10000000".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_with_plans_is_read_every_sync_and_others_every_poll() {
    for (settings, seconds) in [("", 30), ("plans.sync_seconds = 0\n", 60), ("collect.poll_seconds = 0\n", 30)] {
        let app = TestApp::with(settings).await;
        app.plan(&gold()).await;
        app.create(42).await;
        app.step().await;
        let reads = async || {
            app.router.clear_journal();
            app.step().await;
            app.commands("/queue/simple/print")
        };
        app.pass(Duration::seconds(31));
        assert_eq!(reads().await, 0, "{settings:?}: nobody is on a plan");
        app.pass(Duration::minutes(1));
        app.step().await;
        app.create_on_plan(41, json!({})).await;
        app.step().await;
        app.pass(Duration::seconds(seconds - 1));
        assert_eq!(reads().await, 0, "{settings:?}");
        app.pass(Duration::seconds(1));
        assert_eq!(reads().await, 1, "{settings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sidecars_decide_as_one() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    let other = app.sidecar("").await;
    for _ in 0..5 {
        assert!(app.router.carry(&user, 3 * GB, 0));
        app.pass(Duration::seconds(30));
        let (one, two) = tokio::join!(turnpike::jobs::step(&app.app), turnpike::jobs::step(&other));
        one.unwrap();
        two.unwrap();
    }
    app.pass(Duration::seconds(30));
    app.step().await;
    let fair = app.fair(41).await;
    assert_eq!(
        (fair.daily, fair.why, app.max_limit(&user)),
        (Volume::new(15 * GB, 0), Why::Daily(1), "1000000/4000000".into())
    );
    assert_eq!(app.mails().len(), 1, "one letter between them");
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_slows_dropped_at_any_await_or_step_is_gone_on_with() {
    let mut app = TestApp::new().await;
    app.plan(&with(json!({"monthly_fup1_threshold": 0}))).await;
    let user = app.create_on_plan(41, json!({"traffic_gb_monthly": "10000"})).await;
    app.step().await;
    for by in [By::Await, By::Step] {
        let mut survived = 0;
        for nth in 1_usize.. {
            intervene(&app.app, 41, &Change::ResetDaily, &format!("test/{by:?}/{nth}"), "").await.unwrap();
            assert_eq!(app.max_limit(&user), "2000000/10000000", "begun again");
            assert!(app.router.carry(&user, 10 * GB, 0));
            app.pass(Duration::minutes(3));
            let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
            let service = app.app.clone();
            let outcome = dies(by, nth, async move { collect::run(&service, 3, Scope::Poll, until).await }).await;
            app.restart().await;
            // The killed one's lease runs out.
            app.pass(Duration::minutes(3));
            app.step().await;
            let fair = app.fair(41).await;
            assert_eq!((fair.daily, fair.why), (Volume::new(10 * GB, 0), Why::Daily(1)), "died at {by:?} {nth}");
            assert_eq!(app.max_limit(&user), "1000000/4000000", "died at {by:?} {nth}");
            assert_books_equal(&app.app).await;
            assert!(app.router.is_online(&user));
            survived += usize::from(outcome.is_some());
            if survived == 2 {
                let least = if by == By::Step { 10 } else { 4 };
                assert!(nth > least, "a reading has more of them: {by:?} {nth}");
                break;
            }
        }
    }
    assert_eq!(booked(&app.app, 41).await.down, app.fair(41).await.monthly.down.0, "no byte twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_due_date_begins_one_cycle_however_late_or_often_it_is_told() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    let renew = async |due: &str| {
        let mut body = app.plan_body(41, json!({}));
        body["service"]["next_due_date"] = json!(due);
        app.hook("renew", &body).await.ok();
    };
    app.receive(&user, 5 * GB).await;
    renew("2027-01-01").await;
    intervene(&app.app, 41, &Change::Bonus(7), "staff/1", "").await.unwrap();
    app.receive(&user, GB).await;
    // A retry of the month before, then of this one; and staff bring the account back.
    renew("2026-12-01").await;
    renew("2027-01-01").await;
    let mut body = app.plan_body(41, json!({}));
    body["service"]["next_due_date"] = json!("2026-12-01");
    app.hook("create", &body).await.ok();
    app.step().await;
    let fair = app.fair(41).await;
    assert_eq!((fair.monthly, fair.bonus), (Volume::new(GB, 0), Bytes(7)), "nothing was given or taken");
    renew("2027-02-01").await;
    assert_eq!((app.fair(41).await.monthly, app.fair(41).await.bonus), (Volume::ZERO, Bytes::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_clock_set_forward_makes_nobody_online() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"time_quota": 60, "quota_action": "block"}))).await;
    app.create_on_plan(41, json!({})).await;
    app.router.pass(std::time::Duration::from_secs(3 * 86_400));
    app.step().await;
    app.pass(Duration::minutes(1));
    app.step().await;
    let before = app.fair(41).await.online_seconds;
    // Eight hours for us, half a minute for the router.
    app.clock.advance(Duration::hours(8));
    app.router.pass(std::time::Duration::from_secs(30));
    app.step().await;
    assert_eq!(app.fair(41).await.online_seconds, before + 30);
    assert_eq!(app.account(41).await["enabled"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_off_is_off_and_who_has_paid_is_on_though_the_router_refuses_the_rest() {
    let app = TestApp::new().await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.router.fault_at(When::every(SET), Fault::Trap("failure: unknown queue type".into(), None));
    let other = app.plan_body(41, json!({"download_mbps": "7"}));
    assert_eq!(app.hook("change-package", &other).await.code(), "router-refused");
    // What was asked for is made, so that WHMCS takes the service for suspended, and lets it in again when it is paid.
    assert_eq!(app.hook("suspend", &app.body(41)).await.ok()["account"]["causes"], json!(["billing"]));
    let disabled = || app.router.world(|world| world.get("/ppp/secret", &user, "disabled")).unwrap();
    assert_eq!((disabled().as_str(), app.router.is_online(&user)), ("true", false), "suspended all the same");
    assert_ne!(app.hook("unsuspend", &app.body(41)).await.ok()["account"]["pending"], 0);
    assert_eq!(disabled(), "false", "paid, and not kept out by a queue");
    app.router.fault_at(When::every("/ppp/secret/set"), Fault::Trap("failure: not now".into(), None));
    assert_eq!(app.hook("suspend", &app.body(41)).await.code(), "router-refused", "what is not made is not said to be");
    app.hook("unsuspend", &app.body(41)).await.ok();
    app.router.clear_faults();
    // What was refused so often is tried again later.
    app.pass(Duration::hours(1));
    app.step().await;
    assert_eq!((app.max_limit(&user), &app.account(41).await["pending"]), ("2000000/7000000".into(), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_a_bandwidth_rule_names_is_not_removed() {
    let app = TestApp::new().await;
    let plan = app.send("POST", "/v1/plans", &gold()).await.body["id"].as_u64().unwrap();
    let rule = json!({"name": "Night", "plans": [plan], "download_percent": 300, "upload_percent": 300});
    let twice = app.send("POST", "/v1/bandwidth-rules", &rule).await.body["id"].clone();
    let rule = app.send("POST", "/v1/bandwidth-rules", &rule).await.body["id"].as_u64().unwrap();
    assert_eq!(twice, rule, "sent twice, made once");
    let refused = app.send("DELETE", &format!("/v1/plans/{plan}"), &Value::Null).await;
    assert_eq!(refused.code(), "plan-in-use");
    assert!(refused.body["detail"].as_str().unwrap().contains("rule Night"), "{}", refused.body);
    assert_eq!(app.send("DELETE", &format!("/v1/bandwidth-rules/{rule}"), &Value::Null).await.status, 204);
    assert_eq!(app.send("DELETE", &format!("/v1/plans/{plan}"), &Value::Null).await.status, 204);
}

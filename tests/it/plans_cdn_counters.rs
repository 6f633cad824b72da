//! CDN counters, which are never reset: of another router, and of a queue that was gone for a while.

use crate::{
    plans_cdn::{LISTS, REMOTE, gold},
    world::{MB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use turnpike::{
    params,
    simulator::{Options, Simulator},
    sql,
    usage::history,
    work::rebuild,
};

impl TestApp {
    /// What the books say was moved in each month.
    async fn moved_by_month(&self, service_id: u64) -> Vec<(String, u64)> {
        let months = history::months(&mut self.app.db.read().await.unwrap(), service_id).await.unwrap();
        months.into_iter().map(|(month, it)| (month, it.raw.total().0)).filter(|(_, bytes)| *bytes > 0).collect()
    }
}

/// A router's stand-in takes over for a week, and then the first is back: what its CDN queue shows was counted before.
#[tokio::test(flavor = "multi_thread")]
async fn cdn_traffic_of_who_comes_back_from_a_stand_in_is_not_counted_again() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    app.router.pass(std::time::Duration::from_secs(100 * 86_400));
    app.plan(&gold(app.cdn("Akamai", "203.0.113.0/24").await)).await;
    let name = app.subscribe(41, "Gold").await;
    app.minute().await;
    app.router.carry_with(&name, REMOTE, 300 * MB, 0);
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_monthly.0, 300 * MB);
    let other = Simulator::start(Options::default()).await.unwrap();
    let told = |port: u16| app.body_with(41, &json!({"server": {"port": port}}));
    app.hook("list-accounts", &told(other.address().port())).await.ok();
    rebuild::run(&app.app, 3, &|_| ()).await.unwrap();
    for _ in 0..7 {
        app.pass(Duration::days(1));
        other.pass(std::time::Duration::from_secs(86_400));
        app.step().await;
    }
    let password = app.secret(&name, "password").unwrap();
    other.connect(&name, &password, "l2tp", "198.51.100.7").unwrap();
    assert!(other.carry_with(&name, REMOTE, 100 * MB, 0));
    app.pass(Duration::hours(1));
    other.pass(std::time::Duration::from_secs(3_600));
    app.step().await;
    let month = [("2026-11".to_owned(), 400 * MB)];
    assert_eq!((app.used(41).await.cdn_monthly.0, app.moved_by_month(41).await), (400 * MB, month.to_vec()));
    app.hook("list-accounts", &told(app.router.address().port())).await.ok();
    app.minute().await;
    assert_eq!((app.used(41).await.cdn_monthly.0, app.moved_by_month(41).await), (400 * MB, month.to_vec()));
    let aside = sql!("SELECT counted_by, down_bytes, payable_bytes FROM quarantine ORDER BY id");
    let aside = app.app.db.read().await.unwrap().rows(aside, params![]).await.unwrap();
    let aside: Vec<(String, u64, u64)> = (aside.iter())
        .map(|row| (row.get("counted_by").unwrap(), row.get("down_bytes").unwrap(), row.get("payable_bytes").unwrap()))
        .collect();
    // What it shows beyond the stand-in's, whose queue had the same id.
    assert_eq!(aside, [("cdn".to_owned(), 200 * MB, 0)], "a person decides");
    app.router.carry_with(&name, REMOTE, 5 * MB, 0);
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_monthly.0, 405 * MB, "it goes on from there");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_cdn_tiers_begins_anew_and_not_where_the_queue_before_stood() {
    let app = TestApp::new().await;
    app.plan(&gold(app.cdn("Akamai", "203.0.113.0/24").await)).await;
    let name = app.subscribe(41, "Gold").await;
    app.minute().await;
    app.router.carry_with(&name, REMOTE, 300 * MB, 0);
    app.minute().await;
    let month = [("2026-11".to_owned(), 300 * MB)];
    assert_eq!(app.moved_by_month(41).await, month);
    // Somebody's own entry keeps the account on the list whatever its plan.
    let entry = app.router.world(|world| {
        let row = world.table(LISTS).rows().iter().find(|it| it.get("list").unwrap().ends_with("-accounts")).unwrap();
        (row.get("list").unwrap().to_owned(), row.get("address").unwrap().to_owned())
    });
    app.hook("change-package", &app.body(41)).await.ok();
    assert!(app.queue(&format!("{name}-cdn"), "name").is_none());
    app.minute().await;
    app.pass(Duration::days(60));
    app.step().await;
    app.foreign(LISTS, &[("list", &entry.0), ("address", &entry.1)]);
    let back = json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": ""}});
    app.hook("create", &app.body_with(42, &back)).await.ok();
    app.minute().await;
    app.hook("change-package", &app.body_with(41, &back)).await.ok();
    // The queue's first reading is its beginning.
    app.router.carry_with(&name, REMOTE, 200 * MB, 0);
    app.minute().await;
    assert_eq!(app.moved_by_month(41).await, month, "nothing of it was moved while there was no such queue");
    app.router.carry_with(&name, REMOTE, 50 * MB, 0);
    app.minute().await;
    let months = [month[0].clone(), ("2027-01".to_owned(), 50 * MB)];
    assert_eq!(app.moved_by_month(41).await, months);
}

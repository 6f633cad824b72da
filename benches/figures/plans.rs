//! One reading of N accounts on a plan: counted, decided, and every changed speed set on the router, against the bare-socket
//! read of the same rows. `TURNPIKE_TEST_MYSQL` names a MariaDB server with a schema `bench`.

use crate::ground::{accounts, app, bare_socket_read, router, seconds, settings};
use std::time::{Duration, Instant};
use turnpike::{
    app::App, catalogue::plans, params, plan::form, simulator::Simulator, sql, units::Gigabyte, work::collect,
};

/// Prints the figures for so many accounts.
pub async fn run(count: u32) {
    for (name, database) in [("SQLite", None), ("MariaDB", std::env::var("TURNPIKE_TEST_MYSQL").ok())] {
        if name == "MariaDB" && database.is_none() {
            println!("MariaDB: TURNPIKE_TEST_MYSQL is not set");
            continue;
        }
        let router = router(count).await;
        carry(&router, 1 << 20);
        let _warm = bare_socket_read(router.address()).await;
        let begun = Instant::now();
        let _bytes = bare_socket_read(router.address()).await;
        let floor = begun.elapsed();
        println!("{count} accounts on a plan, {name}; bare socket read, nothing parsed: {}", seconds(floor));
        ours(&router, count, database.as_deref(), floor).await;
    }
}

async fn ours(router: &Simulator, count: u32, database: Option<&str>, floor: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), database, "127.0.0.1:0"), folder.path()).await;
    accounts(&app, router, count).await;
    on_a_plan(&app).await;
    cycle(&app, router, "the first, all are set", floor).await;
    carry(router, 1 << 20);
    cycle(&app, router, "all moved, nobody crossed a step", floor).await;
    carry(router, 1 << 30);
    cycle(&app, router, "all crossed a step, all are set", floor).await;
    cycle(&app, router, "nobody moved", floor).await;
    app.close().await;
}

async fn on_a_plan(app: &App) {
    let fields = serde_json::json!({
        "name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M", "burst_download": "20M",
        "burst_upload": "4M", "fup1_threshold": "1 GB", "fup1_download_speed": "4M", "fup1_upload_speed": "1M",
        "time_based_speed_enabled": true, "time_from": "00:00", "time_to": "06:00", "download_ratio": 70,
        "upload_ratio": 70,
    });
    let plan = form::parse(fields.as_object().expect("an object"), Gigabyte::Binary).expect("sound");
    let mut tx = app.db.begin().await.expect("the database answers");
    let id = plans::add(&mut tx, &plan, app.clock.now()).await.expect("written").expect("new");
    let all = sql!("UPDATE account SET plan_id = ?, down_kbps = 10000, up_kbps = 2000");
    tx.execute(all, params![id]).await.expect("written");
    tx.commit().await.expect("written");
}

/// Straight onto the counters: who is online and what passes by queues is another benchmark's.
fn carry(router: &Simulator, bytes: u64) {
    router.world(|world| {
        for row in world.table_mut("/queue/simple").rows_mut() {
            row.counters.count(bytes, 1000);
        }
    });
}

async fn cycle(app: &App, router: &Simulator, what: &str, floor: Duration) {
    router.clear_journal();
    let begun = Instant::now();
    let until = tokio::time::Instant::now() + Duration::from_mins(10);
    let outcome = collect::run(app, 3, collect::Scope::Poll, until).await.expect("read");
    let took = begun.elapsed();
    let sets = router.journal().iter().filter(|it| it.path == "/queue/simple/set").count();
    println!("{what:48} {:>10}  {:6.2} x", seconds(took), took.as_secs_f64() / floor.as_secs_f64());
    println!("    {} read, {sets} commands set speeds", outcome.read.len());
}

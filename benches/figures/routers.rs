//! One collection over many routers that each serve about as many commands a second as a real one, against bare sockets that
//! send as many commands to each of them, all at the same time, and parse nothing. Once with routers that print in no time,
//! once with routers that print about as fast as a real one.

use crate::ground::{Place, accounts_at, app, bare_commands, router_at, seconds, settings, traffic};
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use turnpike::{
    simulator::{Options, Simulator},
    work::collect,
};

const ROUTERS: u32 = 200;
const ACCOUNTS: u32 = 500;
/// What a real router bears for long.
const COMMANDS_A_SECOND: u32 = 130;

/// Rows a second of a real router (tik4net's findings on a router's throughput ceiling, RouterOS 7.24): 1,672 rows took
/// 0.8 to 1.5 s with two fields each and 4.1 to 5.1 s with all of them. A collection asks for eight: at the fewest what two
/// fields cost at the best, and as many times one field's cost.
const ROWS_A_SECOND: [u32; 2] = [2_000, 500];

/// Prints the figures.
pub async fn run() {
    with(None).await;
    for rows in ROWS_A_SECOND {
        with(Some(rows)).await;
    }
}

async fn with(rows_per_second: Option<u32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), None, "127.0.0.1:0"), folder.path()).await;
    let mut routers = Vec::new();
    for number in 0..ROUTERS {
        let place = Place { server: u64::from(number) + 1, after: number * ACCOUNTS };
        let options = Options { requests_per_second: Some(COMMANDS_A_SECOND), rows_per_second, ..Options::default() };
        let router = router_at(place, ACCOUNTS, options).await;
        accounts_at(&app, &router, place, ACCOUNTS).await;
        routers.push((place.server, router));
    }
    let rows = rows_per_second.map_or_else(String::new, |rows| format!(" and {rows} rows"));
    println!("{ROUTERS} routers of {ACCOUNTS} accounts, each answering {COMMANDS_A_SECOND} commands{rows} a second");
    for round in ["first", "second", "third"] {
        for (_, router) in &routers {
            traffic(router);
            router.clear_journal();
        }
        let begun = Instant::now();
        let until = tokio::time::Instant::now() + Duration::from_mins(10);
        let collections = routers.iter().map(|(server, _)| {
            let (app, server) = (app.clone(), *server);
            tokio::spawn(
                async move { collect::run(&app, server, collect::Scope::All, until).await.expect("collected") },
            )
        });
        let read: usize = join_all(collections).await.into_iter().map(|it| it.expect("joined").read.len()).sum();
        let took = begun.elapsed();
        let commands = routers[0].1.journal().len();
        let floor = floor(&routers, commands).await;
        println!(
            "{round}: {read} accounts in {}; bare sockets, {commands} commands to each router: {} ({:.2} x)",
            seconds(took),
            seconds(floor),
            took.as_secs_f64() / floor.as_secs_f64()
        );
    }
    app.close().await;
}

async fn floor(routers: &[(u64, Simulator)], commands: usize) -> Duration {
    let begun = Instant::now();
    join_all(routers.iter().map(|(_, router)| tokio::spawn(bare_commands(router.address(), commands)))).await;
    begun.elapsed()
}

//! One collection over many routers that each serve about as many commands a second as a real one, against bare sockets that
//! send as many commands to each of them, all at the same time, and parse nothing.

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

/// Prints the figures.
pub async fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), None, "127.0.0.1:0"), folder.path()).await;
    let mut routers = Vec::new();
    for number in 0..ROUTERS {
        let place = Place { server: u64::from(number) + 1, after: number * ACCOUNTS };
        let options = Options { requests_per_second: Some(COMMANDS_A_SECOND), ..Options::default() };
        let router = router_at(place, ACCOUNTS, options).await;
        accounts_at(&app, &router, place, ACCOUNTS).await;
        routers.push((place.server, router));
    }
    println!("{ROUTERS} routers of {ACCOUNTS} accounts, each answering {COMMANDS_A_SECOND} commands a second");
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

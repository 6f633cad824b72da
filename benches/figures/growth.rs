//! One collection of 1,000 to 100,000 accounts: what an account costs, and whether that stays the same. `TURNPIKE_TEST_MYSQL`
//! names a MariaDB server with an empty schema `bench`; it is used for one size only, the argument.

use crate::ground::{accounts, app, router, seconds, settings, traffic};
use std::time::{Duration, Instant};
use turnpike::work::collect;

const SIZES: [u32; 6] = [1_000, 2_000, 5_000, 20_000, 50_000, 100_000];
/// Of so many collections the middle one counts.
const ROUNDS: usize = 5;

/// Prints the table.
pub async fn run() {
    println!("{:>9}  {:>10}  {:>12}  growth of the cost of one", "accounts", "collection", "one account");
    let mut first = None;
    for count in SIZES {
        let took = collection(count).await;
        let each = took.as_secs_f64() * 1e6 / f64::from(count);
        let before = *first.get_or_insert(each);
        println!("{count:>9}  {:>10}  {each:>9.1} us  {:.2}", seconds(took), each / before);
    }
}

async fn collection(count: u32) -> Duration {
    let router = router(count).await;
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), None, "127.0.0.1:0"), folder.path()).await;
    accounts(&app, &router, count).await;
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        traffic(&router);
        router.clear_journal();
        let begun = Instant::now();
        let until = tokio::time::Instant::now() + Duration::from_mins(10);
        let outcome = collect::run(&app, 3, collect::Scope::All, until).await.expect("collected");
        all.push(begun.elapsed());
        drop(outcome);
    }
    app.close().await;
    all.sort();
    all[ROUNDS / 2]
}

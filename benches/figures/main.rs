//! Benchmarks: `cargo bench --bench figures -- collection|growth|routers|plans|hooks|footprint [N …]`. Each prints ratios of one run against a
//! stated floor or peer; nothing is asserted (see `docs/benchmarks.md`).
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints its figures and breaks off loudly")]

mod caller;
mod collection;
mod footprint;
mod ground;
mod growth;
mod hooks;
mod plans;
mod routers;
mod threads;

/// The service's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20_000);
    match words.first().map(String::as_str) {
        Some("collection") => collection::run(count).await,
        Some("growth") => growth::run().await,
        Some("routers") => routers::run().await,
        Some("plans") => plans::run(count).await,
        Some("hooks") => {
            let connections: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
            hooks::run(if connections.is_empty() { &[16, 64] } else { &connections }).await;
        }
        Some("footprint") => footprint::run(count).await,
        _ => println!(
            "say which: collection, growth, routers, plans, hooks or footprint, and how many accounts (hooks: connections)"
        ),
    }
}

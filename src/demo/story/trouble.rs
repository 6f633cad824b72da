//! The second month: a router that goes away, a reset whose answer is lost, a power cut, a plan that slows, and another
//! package.

use super::{Cast, at, day, slowed};
use crate::demo::{
    customers,
    figures::{MB, gb, gb_of, speed},
    stage::{ROUTER, Stage},
    teller::Teller,
};
use anyhow::{Context, Result, anyhow, ensure};
use chrono::Duration;
use turnpike::simulator::{Fault, When};

/// The longest that the connection's own pause after a failure is waited for.
const RETURN: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) async fn play(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let mark = cast.mark();
    cast.live_through(day(11, 2)?, teller).await?;
    teller.step(cast.stage.clock.now(), "Fifteen quiet days");
    cast.tell_span(&mark, teller).await?;
    router_away(cast, teller).await?;
    router_back(cast, teller).await?;
    cast.live_through(day(11, 7)?, teller).await?;
    lost_answer(cast, teller).await?;
    cast.live_through(day(11, 10)?, teller).await?;
    power_cut(cast, teller).await?;
    cast.live_through(day(11, 13)?, teller).await?;
    slowed::play(cast, teller).await?;
    other_package(cast, teller).await?;
    let mark = cast.mark();
    cast.live_through(day(11, 19)?, teller).await?;
    cast.morning(day(11, 20)?, teller).await?;
    teller.step(cast.stage.clock.now(), "Another six days and a morning");
    cast.tell_span(&mark, teller).await
}

/// What is a fact of the books is recorded; the router's part waits.
async fn router_away(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    cast.stage.pass_until(at(day(11, 3)?, 10, 0)?);
    cast.stage.jobs().await?;
    cast.stage.router.stop().await;
    cast.stage.pass(Duration::minutes(2));
    teller.step(
        cast.stage.clock.now(),
        &format!("Router {ROUTER} stops answering, and WHMCS suspends Ada for an open invoice"),
    );
    cast.ada.status = "Suspended";
    let stage = &cast.stage;
    let account = stage.done("suspend", &cast.ada).await?["account"].clone();
    ensure!(
        account["enabled"] == false && account["pending"] == 1,
        "the suspension was not recorded for later: {account}"
    );
    teller.line("The suspension is recorded and answered as done; 1 router change is pending.");
    let refused = stage.router_hook("usage-update").await?;
    ensure!(refused.status == 503, "UsageUpdate was answered {} though the router is away", refused.status);
    teller.line(&format!("UsageUpdate is told why it cannot count: {}", named(refused.detail())));
    let page = stage.done("client-area", &cast.charles).await?;
    let connection = &page["connection"];
    ensure!(connection["status"] == "unknown", "the page claims to know what it cannot know");
    teller.line("Charles's page still shows everything stored, and \"unknown\" for his connection. Nothing hangs.");
    Ok(())
}

/// The refusal without the router's port, which differs from run to run.
fn named(detail: &str) -> String {
    let words = detail.split(' ').map(|word| {
        let (address, rest) = word.split_once(':').unwrap_or((word, ""));
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if address.ends_with("127.0.0.1") && !port.is_empty() {
            word.replacen(&format!(":{port}"), "", 1)
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

async fn router_back(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    ensure!(
        stage.router.carry(&cast.ada.username, 290 * MB, 17 * MB),
        "Ada's session ended though nobody could end it"
    );
    stage.router.carry(&cast.charles.username, 40 * MB, 4 * MB);
    stage.pass(Duration::minutes(40));
    stage.router.listen().await.context("the router cannot come back")?;
    answering(stage, cast).await?;
    stage.pass(Duration::minutes(1));
    stage.jobs().await?;
    teller.step(stage.clock.now(), "The router is back; nobody has to do anything");
    let account = stage.account(&cast.ada).await?;
    ensure!(
        account["pending"] == 0 && !stage.router.is_online(&cast.ada.username),
        "the suspension was not made: {account}"
    );
    stage.compare(&cast.ada).await?;
    teller.good(&format!(
        "What Ada carried meanwhile ({}) is booked first, then the pending change is made: session ended.",
        gb_of(307 * MB)
    ));
    stage.pass(Duration::hours(1));
    cast.ada.status = "Active";
    let account = stage.done("unsuspend", &cast.ada).await?["account"].clone();
    ensure!(account["enabled"] == true, "unsuspended, but still blocked");
    stage.dial(&cast.ada).map_err(|why| anyhow!("Ada is unsuspended and cannot dial in: {why}"))?;
    teller.line(&format!("{}: the invoice is paid, Ada is free and online again.", stage.clock.now().format("%H:%M")));
    Ok(())
}

/// Waits until the connection has been tried again: after a failure it pauses for a second or so of real time.
async fn answering(stage: &Stage, cast: &Cast) -> Result<()> {
    let wait = async {
        loop {
            let page = stage.peek(&cast.charles).await?;
            if page["connection"]["status"] != "unknown" {
                return anyhow::Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(RETURN, wait).await.context("the router is back and nobody tried it again")?
}

/// The worst moment: the router has reset its counters, and the answer does not come through.
async fn lost_answer(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    stage.pass_until(at(day(11, 8)?, 12, 0)?);
    stage.router.carry(&cast.ada.username, 610 * MB, 52 * MB);
    stage.router.carry(&cast.charles.username, 233 * MB, 31 * MB);
    teller.step(stage.clock.now(), "A counter reset is carried out, and its answer gets lost on the way");
    let before = stage.balance(&cast.ada).await?;
    let username = cast.ada.username.clone();
    let reset = || When::at("/queue/simple/reset-counters");
    stage.router.fault_at(
        reset(),
        Fault::call_after(move |router| {
            router.carry(&username, 3 * MB, MB);
        }),
    );
    stage.router.fault_at(reset(), Fault::ApplyAndLoseReply);
    cast.collect().await?;
    let after = stage.balance(&cast.ada).await?;
    stage.compare(&cast.ada).await?;
    stage.compare(&cast.charles).await?;
    ensure!(before - after == i64::try_from(666 * MB)?, "charged {} for {}", gb(before - after), gb_of(666 * MB));
    teller.line("Turnpike does not repeat it blindly: it reads again and sees that the counters had started anew.");
    teller.good(&format!("Carried {}, charged {}: nothing twice, nothing lost.", gb_of(666 * MB), gb(before - after)));
    Ok(())
}

async fn power_cut(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    stage.pass_until(at(day(11, 11)?, 8, 15)?);
    stage.router.carry(&cast.ada.username, 95 * MB, 8 * MB);
    stage.pass(Duration::minutes(1));
    stage.jobs().await?;
    teller
        .step(stage.clock.now(), &format!("A power cut: router {ROUTER} restarts and all its counters stand at zero"));
    stage.router.reboot();
    stage.pass(Duration::minutes(3));
    for customer in [&cast.ada, &cast.charles] {
        stage.dial(customer).map_err(|why| anyhow!("{} cannot dial in after the restart: {why}", customer.first))?;
    }
    stage.router.carry(&cast.ada.username, 120 * MB, 9 * MB);
    stage.pass(Duration::minutes(10));
    stage.jobs().await?;
    stage.compare(&cast.ada).await?;
    stage.compare(&cast.charles).await?;
    teller
        .good("It was read just before; the new count is added to the old one. Carried and booked are still the same.");
    Ok(())
}

async fn other_package(cast: &mut Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    stage.pass_until(at(day(11, 14)?, 11, 0)?);
    teller.step(stage.clock.now(), "Ada changes to the bigger package: 50 Mbit/s, 120 GB a month");
    let before = stage.account(&cast.ada).await?;
    cast.ada.settings = customers::metered("50", "10", "120");
    let after = stage.done("change-package", &cast.ada).await?["account"].clone();
    for what in ["address", "balance_bytes", "username", "enabled"] {
        ensure!(
            before[what] == after[what],
            "the change of package changed {what}: {} to {}",
            before[what],
            after[what]
        );
    }
    ensure!(stage.router.is_online(&cast.ada.username), "the change of package ended Ada's session");
    let limit = stage.router.world(|world| world.get("/queue/simple", &cast.ada.username, "max-limit"));
    ensure!(limit.as_deref() == Some("10000000/50000000"), "the router still limits to {limit:?}");
    let kbps = |name: &str| speed(after[name].as_u64().unwrap_or_default());
    teller.line(&format!(
        "At once {} down and {} up, without a reconnect. Address {} and balance {} stay; 120.00 GB come with the next renewal.",
        kbps("download_kbps"),
        kbps("upload_kbps"),
        cast.ada.address,
        gb(after["balance_bytes"].as_i64().unwrap_or_default()),
    ));
    cast.ada.habit = 1_650 * MB;
    Ok(())
}

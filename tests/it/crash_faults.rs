//! Everything that can go wrong with a router, at every command of a poll and of a collection. Afterwards, at rest: nobody
//! was charged a byte too much, and what was not charged is what the story explains.

use crate::{
    books_check::{assert_books_equal, booked, open_resets},
    world::{MB, TestApp},
};
use chrono::Duration;
use turnpike::simulator::{Fault, Simulator, When};

const UPTIME: &str = "/system/resource/print";
const PRINT: &str = "/queue/simple/print";
const RESET: &str = "/queue/simple/reset-counters";
/// For routers that say nothing more, and only for those: elsewhere a machine that is busy would be a fault of its own.
const IMPATIENT: &str = "router.connect_seconds = 2\nrouter.login_seconds = 2\nrouter.write_seconds = 2\n\
                         router.print_seconds = 2\nrouter.idle_seconds = 2\n";

/// Traffic before the reading, between reading and reset, just before the reset, after the fault.
const BEFORE: u64 = 5_000_011;
const BETWEEN: u64 = 70_001;
const GAP: u64 = 3_001;
const AFTER: u64 = 401;

/// Where it strikes: a login, or the nth command of a path.
#[derive(Clone, Copy, Debug)]
enum Point {
    Login,
    Uptime,
    FirstPrint,
    SecondPrint,
    Reset,
}

const POINTS: [Point; 5] = [Point::Login, Point::Uptime, Point::FirstPrint, Point::SecondPrint, Point::Reset];

/// What the router is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Booked, and reset.
    Collection,
    /// Booked only, so that nothing can hide in a gap.
    Poll,
}

impl Reading {
    fn points(self) -> &'static [Point] {
        match self {
            Self::Collection => &POINTS,
            Self::Poll => &POINTS[..3],
        }
    }
}

impl Point {
    fn when(self) -> When {
        match self {
            Self::Login => When::Login,
            Self::Uptime => When::at(UPTIME),
            Self::FirstPrint => When::at(PRINT),
            Self::SecondPrint => When::nth(PRINT, 2),
            Self::Reset => When::at(RESET),
        }
    }
}

/// The customer of service 41, who dials in whenever he is off.
#[derive(Clone)]
struct Customer(String, String);

impl Customer {
    fn carry(&self, router: &Simulator, bytes: u64) {
        router.world(|world| {
            if world.sessions().is_empty() {
                world.connect(&self.0, &self.1, "l2tp", "198.51.100.7").unwrap();
            }
            assert!(world.carry(&self.0, bytes, bytes / 10));
        });
    }
}

fn with_upload(bytes: u64) -> u64 {
    bytes + bytes / 10
}

/// The limits for a fault: after some of them nothing comes, and a limit is waited out.
fn limits(fault: &Fault) -> &'static str {
    match fault {
        Fault::Hang | Fault::Silence | Fault::ApplyThenSilence | Fault::StallAfterBytes(_) | Fault::WithoutDone => {
            IMPATIENT
        }
        _ => "",
    }
}

async fn world(more: &str) -> (TestApp, Customer) {
    let app = TestApp::with(more).await;
    let body = app.body_with(41, &serde_json::json!({"settings": {"traffic_gb_monthly": "1000"}}));
    let made = app.hook("create", &body).await.ok();
    let word = |name: &str| made["service"][name].as_str().unwrap().to_owned();
    let customer = Customer(word("username"), word("password"));
    customer.carry(&app.router, 1);
    app.collect().await;
    (app, customer)
}

/// One reading with the fault at that point, and what was lost by it once all is at rest.
async fn lost_by(app: &TestApp, customer: &Customer, (reading, point): (Reading, Point), fault: &Fault) -> u64 {
    let before = app.uncharged(&customer.0, booked(&app.app, 41).await);
    customer.carry(&app.router, BEFORE);
    app.pass(Duration::seconds(120));
    if matches!(point, Point::Login) {
        app.router.cut();
    }
    let (one, two) = (customer.clone(), customer.clone());
    app.router.fault_at(When::at(PRINT), Fault::call_after(move |router| one.carry(router, BETWEEN)));
    app.router.fault_at(When::at(RESET), Fault::call(move |router| two.carry(router, GAP)));
    app.router.fault_at(point.when(), fault.clone());
    match reading {
        Reading::Collection => drop(app.hook("usage-update", &app.body(1)).await),
        Reading::Poll => app.step().await,
    }
    app.router.clear_faults();
    customer.carry(&app.router, AFTER);
    app.pass(Duration::seconds(120));
    app.step().await;
    app.collect_at_last().await;
    app.pass(Duration::seconds(120));
    app.collect_at_last().await;
    app.step().await;
    assert_books_equal(&app.app).await;
    assert_eq!(open_resets(&app.app).await, 0, "at rest no reset is open");
    app.uncharged(&customer.0, booked(&app.app, 41).await) - before
}

/// The fault at every point: whatever is lost is at most `most(point)`.
async fn everywhere(fault: Fault, most: impl Fn(Point) -> u64) {
    at_every_point(Reading::Collection, &fault, most).await;
    // A poll hides nothing; only a restart takes along what was counted.
    let is_restart = matches!(fault, Fault::RebootBefore | Fault::RebootAfter);
    let most = |point| if is_restart { restarted(point) - with_upload(GAP) } else { 0 };
    at_every_point(Reading::Poll, &fault, most).await;
}

async fn at_every_point(reading: Reading, fault: &Fault, most: impl Fn(Point) -> u64) {
    // All at once, because most of the time is spent on waiting for routers that say nothing.
    let one = async |point: &Point| {
        let (app, customer) = world(limits(fault)).await;
        let (lost, most) = (lost_by(&app, &customer, (reading, *point), fault).await, most(*point));
        assert!(lost <= most, "{fault:?} at {point:?} of a {reading:?}: lost {lost}, explained are {most}");
    };
    futures_util::future::join_all(reading.points().iter().map(one)).await;
}

/// What passes between the row of the second print and the reset is never seen: RouterOS has no "take and clear".
fn gap(_: Point) -> u64 {
    with_upload(GAP)
}

/// A reset that was made and whose answer was lost also hides what came between the booked reading and the reset.
fn unseen(point: Point) -> u64 {
    match point {
        Point::SecondPrint | Point::Reset => with_upload(BETWEEN) + with_upload(GAP),
        _ => with_upload(GAP),
    }
}

/// A restart takes along what was counted since the last reading that was booked.
fn restarted(point: Point) -> u64 {
    match point {
        Point::Login | Point::Uptime | Point::FirstPrint => {
            with_upload(BEFORE) + with_upload(BETWEEN) + with_upload(GAP)
        }
        Point::SecondPrint | Point::Reset => with_upload(BETWEEN) + with_upload(GAP),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_loses_the_gap_at_most() {
    everywhere(Fault::Refuse, unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_a_command_that_was_carried_out() {
    everywhere(Fault::ApplyAndLoseReply, unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_cut_short() {
    for bytes in [1, 20, 90] {
        everywhere(Fault::CutAfterBytes(bytes), unseen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_stalls() {
    everywhere(Fault::StallAfterBytes(30), unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_hangs() {
    everywhere(Fault::Hang, unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_falls_silent() {
    everywhere(Fault::Silence, unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_does_it_and_falls_silent() {
    everywhere(Fault::ApplyThenSilence, unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage() {
    everywhere(Fault::Garbage, unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_four_gigabytes() {
    everywhere(Fault::HugeWord(u32::MAX), unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_in_the_middle_of_an_answer() {
    everywhere(Fault::FatalMidway("session terminated".to_owned()), unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traps() {
    everywhere(Fault::Trap("failure: internal error".to_owned(), Some(5)), unseen).await;
    everywhere(Fault::TwoTraps("no such item".to_owned(), "failure".to_owned()), unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_their_end_or_their_tag() {
    for fault in [Fault::WithoutDone, Fault::EmptyDone, Fault::UnknownReply, Fault::Untagged] {
        // A print that ends without rows makes every queue seem gone; the counters stay.
        everywhere(fault, unseen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_router_is_no_fault() {
    everywhere(Fault::Slow(std::time::Duration::from_millis(200)), gap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_instead_of_an_answer() {
    everywhere(Fault::RebootBefore, restarted).await;
    everywhere(Fault::RebootAfter, restarted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_removed_by_hand_in_the_middle() {
    for point in [Point::FirstPrint, Point::SecondPrint, Point::Reset] {
        let (app, customer) = world("").await;
        let other = app.create(42).await;
        let name = customer.0.clone();
        // Its bytes since the last reading go with it; the other's must be reset and booked all the same.
        let remove = Fault::call(move |router| router.world(|world| assert!(world.remove_row("/queue/simple", &name))));
        customer.carry(&app.router, BEFORE);
        assert!(app.router.carry(&other, 9 * MB, MB));
        app.pass(Duration::seconds(120));
        app.router.fault_at(point.when(), remove);
        app.collect_at_last().await;
        app.pass(Duration::seconds(120));
        app.collect_at_last().await;
        assert_eq!(app.uncharged(&other, booked(&app.app, 42).await), 0);
        assert_eq!(app.queue(&other, "bytes").unwrap(), "0/0", "{point:?}");
        assert!(app.uncharged(&customer.0, booked(&app.app, 41).await) <= with_upload(BEFORE));
        assert_books_equal(&app.app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reset_that_climbed_past_is_booked_at_the_smaller_figure_and_decides_nothing() {
    let (app, customer) = world("").await;
    // Little enough that the line can have moved twice as much in the meantime.
    let before = 100_000;
    customer.carry(&app.router, before);
    app.pass(Duration::seconds(120));
    let start = booked(&app.app, 41).await.total();
    // Carried out, never answered; and before anybody can look, more has passed than was counted before.
    let again = customer.clone();
    app.router.fault_at(When::at(RESET), Fault::call_after(move |router| again.carry(router, 2 * before)));
    app.router.fault_at(When::at(RESET), Fault::ApplyAndLoseReply);
    app.hook("usage-update", &app.body(1)).await;
    app.collect_at_last().await;
    let books = booked(&app.app, 41).await;
    assert_eq!(app.uncharged(&customer.0, books), with_upload(before), "the reading before the reset");
    assert_eq!(books.total() - start, with_upload(2 * before));
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"reset\"}").await, 1);
    assert_eq!(app.metric("turnpike_resets_total{kind=\"unknown\"}").await, 1);
    assert_books_equal(&app.app).await;
}

//! What the benchmarks stand on: a service with many accounts on a simulated router, and plain clients to compare with.
//! A benchmark prints ratios of one run; it asserts nothing.

use secrecy::SecretString;
use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use turnpike::{
    account::{Account, Sold, State, allotment, settings::Settings},
    app::App,
    clock::{Chance, Clock},
    config::Config,
    router::{Server, Told},
    simulator::{Options, Simulator},
    units::Gigabyte,
    usage::{counters, ledger, reading::Counter},
};

/// Where a router's accounts stand in the books: WHMCS's server, and what is added to an account's number for its service.
#[derive(Clone, Copy)]
pub struct Place {
    pub server: u64,
    pub after: u32,
}

/// Of a benchmark with one router.
pub const ALONE: Place = Place { server: 3, after: 0 };

/// Our comment on the simulator's objects.
fn comment(service: u32) -> String {
    format!("WHMCS|Product ID:{service}|user{service}@example.net")
}

/// A settings file for a service in that folder.
pub fn settings(folder: &Path, database: Option<&str>, http: &str) -> String {
    let database = database.map_or_else(|| format!("sqlite:{}/bench.db", folder.display()), str::to_owned);
    format!(
        "http.listen = \"{http}\"\nops.listen = \"127.0.0.1:0\"\ndatabase.url = \"{database}\"\nlog.level = \"error\"\n\
         seal.master_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\ncollect.sanity_factor = 0\n\
         collect.poll_seconds = 0\nmail.transport = \"off\"\n\
         bridge.key = [{{ id = \"whmcs\", secret = \"c2VjcmV0LW9mLXRoZS1icmlkZ2Utc2VjcmV0LW9mLXRoZS1icmlkZ2U\" }}]\n"
    )
}

/// The parts of a service on these settings.
pub async fn app(settings: &str, folder: &Path) -> App {
    let config = Config::from_text(settings, folder).expect("the settings are sound");
    App::build(config, Clock::System, Chance::System, tokio::runtime::Handle::current())
        .await
        .expect("the service builds")
}

/// A simulated router with so many accounts of ours.
pub async fn router(accounts: u32) -> Simulator {
    router_at(ALONE, accounts, Options::default()).await
}

/// The same at its place in the books.
pub async fn router_at(place: Place, accounts: u32, options: Options) -> Simulator {
    let router = Simulator::start(options).await.expect("a port is free");
    router.populate(accounts, |number| comment(place.after + number));
    router
}

/// Everybody moves some traffic, a different amount each: straight onto the counters, for who is online and what passes by
/// queues is another matter, and the simulator looks for each name.
pub fn traffic(router: &Simulator) {
    router.world(|world| {
        for (number, row) in (1..).zip(world.table_mut("/queue/simple").rows_mut()) {
            row.counters.count(number * 1000, number);
        }
    });
}

/// The router as WHMCS would tell of it.
fn told(router: &Simulator, place: Place) -> Told {
    let login = Options::default();
    Told {
        id: place.server,
        name: format!("core-{}", place.server),
        hostname: "vpn1.example.net".to_owned(),
        address: router.address().ip().to_string(),
        port: router.address().port(),
        tls: false,
        username: login.username,
        password: login.password.into(),
        certificate_sha256: String::new(),
        addresses: vec!["10.64.0.0/16".to_owned()],
    }
}

/// The accounts that [`router`] holds, written straight into the books.
pub async fn accounts(app: &App, router: &Simulator, count: u32) {
    accounts_at(app, router, ALONE, count).await;
}

/// The same at their place in the books.
pub async fn accounts_at(app: &App, router: &Simulator, place: Place, count: u32) {
    let now = app.clock.now();
    let ids: Vec<String> =
        router.world(|world| world.table("/queue/simple").rows().iter().map(turnpike::simulator::Row::id).collect());
    let mut tx = app.db.begin().await.expect("the database answers");
    Server::remember(&mut tx, &told(router, place), &app.seal, now).await.expect("written");
    let fields = BTreeMap::from([("traffic_gb_monthly".to_owned(), "1000".to_owned())]);
    let terms = Settings::parse(&fields, &BTreeMap::new(), "Monthly", Gigabyte::Binary, None).expect("sound");
    let mut baselines = Vec::new();
    for number in 1..=count {
        let service = u64::from(place.after + number);
        let sold = Sold {
            client_id: service,
            product_id: 1,
            client_name: format!("Client {service}"),
            email: format!("user{service}@example.net"),
            language: "english".to_owned(),
            status: "Active".to_owned(),
            billing_cycle: "Monthly".to_owned(),
            next_due_date: "2026-12-01".parse().ok(),
        };
        let mut account = Account::new(service, place.server, sold, terms.clone());
        account.state = State::Made;
        account.made_at = Some(now);
        account.username = format!("user{number:05}");
        account.address = std::net::Ipv4Addr::from(0x0A40_0000 + number);
        account.set_password(&app.seal, &SecretString::from("secret"));
        account.set_settings(&app.seal, terms.clone());
        account.save(&mut tx, now).await.expect("written");
        account.save_standing(&mut tx, now).await.expect("written");
        allotment::take(&mut tx, place.server, service, account.address, now).await.expect("written");
        let packet = terms.packet.expect("metered").signed();
        let entry = (ledger::Kind::Packet, "2026-12-01");
        ledger::enter(&mut tx, service, entry, packet, "", now).await.expect("written");
        baselines.push((service, Counter::zero(ids[number as usize - 1].clone())));
    }
    counters::put(&mut tx, &baselines, now).await.expect("written");
    tx.commit().await.expect("written");
}

/// Lengths of the API's words: the floor's own few lines, so that nothing of ours is measured in it.
fn word(text: &str, into: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).expect("short");
    match length {
        0..=0x7F => into.push(length.to_le_bytes()[0]),
        _ => into.extend_from_slice(&(length | 0x8000).to_be_bytes()[2..]),
    }
    into.extend_from_slice(text.as_bytes());
}

fn sentence(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for it in words {
        word(it, &mut bytes);
    }
    bytes.push(0);
    bytes
}

/// Logs in and sends so many commands one after the other, reading each answer to its end and parsing nothing: the first
/// two print all counters, as a collection does, the others ask for the uptime.
pub async fn bare_commands(router: SocketAddr, commands: usize) {
    let (mut socket, mut buffer) = log_in(router).await;
    for number in 0..commands {
        let words = if number < 2 { &PRINT[..] } else { &["/system/resource/print", "=.proplist=uptime"][..] };
        socket.write_all(&sentence(words)).await.expect("sent");
        read_to_end(&mut socket, &mut buffer).await;
    }
}

const PRINT: [&str; 2] = ["/queue/simple/print", "=.proplist=.id,name,comment,bytes,packets,disabled,dynamic,target"];

async fn log_in(router: SocketAddr) -> (TcpStream, Vec<u8>) {
    let login = Options::default();
    let mut socket = TcpStream::connect(router).await.expect("the router listens");
    let (name, password) = (format!("=name={}", login.username), format!("=password={}", login.password));
    socket.write_all(&sentence(&["/login", &name, &password])).await.expect("sent");
    let mut buffer = vec![0; 256 * 1024];
    let answered = socket.read(&mut buffer).await.expect("logged in");
    assert!(answered > 0, "logged in");
    (socket, buffer)
}

/// Bytes read until the reply's end.
async fn read_to_end(socket: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut total = 0;
    let end = b"\x05!done\x00";
    loop {
        let read = socket.read(buffer).await.expect("read");
        total += read;
        if read == 0 || buffer[..read].ends_with(end) {
            return total;
        }
    }
}

/// The floor: logs in, asks for the same rows, and reads bytes until the reply's end, parsing nothing. Bytes read.
pub async fn bare_socket_read(router: SocketAddr) -> usize {
    let (mut socket, mut buffer) = log_in(router).await;
    socket.write_all(&sentence(&PRINT)).await.expect("sent");
    read_to_end(&mut socket, &mut buffer).await
}

/// Seconds, to three digits.
pub fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

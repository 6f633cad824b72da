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

/// Our comment on the simulator's objects.
pub fn comment(number: u32) -> String {
    format!("WHMCS|Product ID:{number}|user{number}@example.net")
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
    let router = Simulator::start(Options::default()).await.expect("a port is free");
    router.populate(accounts, comment);
    router
}

/// Everybody dials in and moves some traffic, a different amount each.
pub fn traffic(router: &Simulator, accounts: u32) {
    router.world(|world| {
        for number in 1..=accounts {
            let name = format!("user{number:05}");
            if world.carry(&name, u64::from(number) * 1000, u64::from(number)) {
                continue;
            }
            world.connect(&name, "secret", "l2tp", "198.51.100.7").expect("the secret is there");
            world.carry(&name, u64::from(number) * 1000, u64::from(number));
        }
    });
}

/// The router as WHMCS would tell of it.
pub fn told(router: &Simulator) -> Told {
    let login = Options::default();
    Told {
        id: 3,
        name: "core-1".to_owned(),
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
    let now = app.clock.now();
    let ids: Vec<String> =
        router.world(|world| world.table("/queue/simple").rows().iter().map(turnpike::simulator::Row::id).collect());
    let mut tx = app.db.begin().await.expect("the database answers");
    Server::remember(&mut tx, &told(router), &app.seal, now).await.expect("written");
    let fields = BTreeMap::from([("traffic_gb_monthly".to_owned(), "1000".to_owned())]);
    let terms = Settings::parse(&fields, &BTreeMap::new(), "Monthly", Gigabyte::Binary, None).expect("sound");
    let mut baselines = Vec::new();
    for number in 1..=count {
        let sold = Sold {
            client_id: number.into(),
            product_id: 1,
            client_name: format!("Client {number}"),
            email: format!("user{number}@example.net"),
            language: "english".to_owned(),
            status: "Active".to_owned(),
            billing_cycle: "Monthly".to_owned(),
            next_due_date: "2026-12-01".parse().ok(),
        };
        let mut account = Account::new(number.into(), 3, sold, terms.clone());
        account.state = State::Made;
        account.made_at = Some(now);
        account.username = format!("user{number:05}");
        account.address = std::net::Ipv4Addr::from(0x0A40_0000 + number);
        account.set_password(&app.seal, &SecretString::from("secret"));
        account.set_settings(&app.seal, terms.clone());
        account.save(&mut tx, now).await.expect("written");
        account.save_standing(&mut tx, now).await.expect("written");
        allotment::take(&mut tx, 3, number.into(), account.address, now).await.expect("written");
        let packet = terms.packet.expect("metered").signed();
        let entry = (ledger::Kind::Packet, "2026-12-01");
        ledger::enter(&mut tx, number.into(), entry, packet, "", now).await.expect("written");
        baselines.push((u64::from(number), Counter::zero(ids[number as usize - 1].clone())));
    }
    counters::put(&mut tx, 3, &baselines, now).await.expect("written");
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

/// The floor: logs in, asks for the same rows, and reads bytes until the reply's end, parsing nothing. Bytes read.
pub async fn bare_socket_read(router: SocketAddr) -> usize {
    let login = Options::default();
    let mut socket = TcpStream::connect(router).await.expect("the router listens");
    let (name, password) = (format!("=name={}", login.username), format!("=password={}", login.password));
    socket.write_all(&sentence(&["/login", &name, &password])).await.expect("sent");
    let mut buffer = vec![0; 256 * 1024];
    let answered = socket.read(&mut buffer).await.expect("logged in");
    assert!(answered > 0, "logged in");
    let print = ["/queue/simple/print", "=.proplist=.id,name,comment,bytes,packets,disabled,dynamic,target"];
    socket.write_all(&sentence(&print)).await.expect("sent");
    let mut total = 0;
    let end = b"\x05!done\x00";
    loop {
        let read = socket.read(&mut buffer).await.expect("read");
        total += read;
        if read == 0 || buffer[..read].ends_with(end) {
            return total;
        }
    }
}

/// Seconds, to three digits.
pub fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

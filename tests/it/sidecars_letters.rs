//! A sidecar frozen in the middle of its talk with the mail server: another one sends the letter meanwhile, and the one that
//! wakes up says no further word of it, although the server would still listen. On MariaDB only: a file has no sidecars. And
//! one that is killed at any word of that talk: the next one sends the letter.

use crate::{
    sidecars::{Sidecar, now, on_mariadb, signal, until},
    world::{Database, GB, TestApp},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::Instant,
};
use turnpike::{clock::Clock, params, sql};

/// Three times `mail.smtp`'s 15 s: so long a letter may take, which is less than its lease. And a moment more.
const TOO_LONG: Duration = Duration::from_secs(46);

/// What is heard when a letter has come whole.
const END: &str = ".";

/// A mail server with all the time in the world, which freezes, or kills, the first who says a certain word.
#[derive(Clone)]
struct Server {
    strikes: Arc<Mutex<Option<Strike>>>,
    /// Letters that it took.
    taken: Arc<Mutex<Vec<String>>>,
}

struct Strike {
    at: &'static str,
    pid: u32,
    signal: &'static str,
    told: oneshot::Sender<()>,
}

impl Server {
    async fn start() -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { strikes: Arc::default(), taken: Arc::default() };
        let all = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = all.clone();
                tokio::spawn(async move { one.converse(stream).await.ok() });
            }
        });
        (server, port)
    }

    fn strike_at(&self, at: &'static str, pid: u32, signal: &'static str) -> oneshot::Receiver<()> {
        let (told, struck) = oneshot::channel();
        *self.strikes.lock().unwrap() = Some(Strike { at, pid, signal, told });
        struck
    }

    fn heard(&self, word: &str) {
        let struck = self.strikes.lock().unwrap().take_if(|it| word.starts_with(it.at));
        if let Some(Strike { pid, signal: name, told, .. }) = struck {
            signal(pid, name);
            told.send(()).unwrap();
        }
    }

    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mail.example.net ESMTP\r\n").await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            self.heard(&line);
            let answer: &[u8] = match line.get(..4).unwrap_or_default() {
                "EHLO" => b"250-mail.example.net\r\n250 8BITMIME\r\n",
                "DATA" => b"354 go on\r\n",
                "QUIT" => b"221 2.0.0 bye\r\n",
                _ => b"250 2.0.0 well\r\n",
            };
            stream.write_all(answer).await?;
            let letter = line.starts_with("DATA");
            line.clear();
            if letter {
                while !line.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut line).await? == 0 {
                        return Ok(());
                    }
                }
                self.taken.lock().unwrap().push(std::mem::take(&mut line));
                self.heard(END);
                stream.write_all(b"250 2.0.0 taken\r\n").await?;
            }
        }
        Ok(())
    }
}

async fn frozen_at(word: &'static str) {
    let Some((app, url)) = on_mariadb().await else { return };
    let (server, port) = Server::start().await;
    let more = format!(
        "collect.poll_seconds = 0\nmail.transport = \"smtp\"\n\
         mail.smtp = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\", username = \"\", password = \"\" }}\n"
    );
    let user = app.create(41).await;
    let first = Sidecar::start(&app, "first", &url, &more).await;
    let frozen = server.strike_at(word, first.pid(), "STOP");
    // More than 8 of its 10 GB: a letter.
    assert!(app.router.carry(&user, 9 * GB, 1));
    app.collect().await;
    tokio::time::timeout(crate::sidecars::PATIENCE, frozen).await.expect("the letter is begun").unwrap();
    let since = Instant::now();
    assert!(server.taken.lock().unwrap().is_empty());
    // As if its lease had run out meanwhile; two minutes are not waited for.
    let over = sql!("UPDATE mail_outbox SET lease_until = ? WHERE lease_owner IS NOT NULL");
    assert_eq!(app.app.db.execute(over, params![Clock::System.now() - chrono::Duration::seconds(1)]).await.unwrap(), 1);
    let second = Sidecar::start(&app, "second", &url, &more).await;
    until("the other one sends it", async || server.taken.lock().unwrap().len() == 1).await;
    tokio::time::sleep_until(since + TOO_LONG).await;
    signal(first.pid(), "CONT");
    until("the first one gives it up", async || first.log().contains("no longer ours")).await;
    assert!(first.is_ready().await && second.is_ready().await);
    assert_eq!(server.taken.lock().unwrap().len(), 1, "{word}: {}", first.log());
    let row = sql!("SELECT state FROM mail_outbox");
    let states = app.app.db.read().await.unwrap().rows(row, vec![]).await.unwrap();
    assert_eq!(states.iter().map(|row| row.get::<String>("state").unwrap()).collect::<Vec<_>>(), ["sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_frozen_in_a_letter_does_not_go_on_with_it_when_another_has_sent_it() {
    tokio::join!(frozen_at("RCPT"), frozen_at("DATA"));
}

fn message_id(letter: &str) -> &str {
    letter.lines().find(|line| line.to_lowercase().starts_with("message-id:")).expect("it has one")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_at_any_word_of_a_letter_sends_it_and_twice_only_where_the_server_had_it() {
    let app = TestApp::on_database(Database::bare().await, "").await;
    now(&app);
    let (server, port) = Server::start().await;
    let more = format!(
        "collect.poll_seconds = 0\nmail.transport = \"smtp\"\n\
         mail.smtp = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\", username = \"\", password = \"\" }}\n"
    );
    for (service, word) in (41..).zip(["EHLO", "MAIL", "RCPT", "DATA", END]) {
        let user = app.create(service).await;
        let mut first = Sidecar::start(&app, &format!("first-{service}"), &app.database.url(), &more).await;
        let killed = server.strike_at(word, first.pid(), "KILL");
        assert!(app.router.carry(&user, 9 * GB, 1));
        app.collect().await;
        tokio::time::timeout(crate::sidecars::PATIENCE, killed).await.expect("the letter is begun").unwrap();
        first.kill().await;
        // As if its lease had run out meanwhile; two minutes are not waited for.
        let over = sql!("UPDATE mail_outbox SET lease_until = ? WHERE lease_owner IS NOT NULL AND state = 'queued'");
        let past = Clock::System.now() - chrono::Duration::seconds(1);
        assert_eq!(app.app.db.execute(over, params![past]).await.unwrap(), 1, "{word}");
        let second = Sidecar::start(&app, &format!("second-{service}"), &app.database.url(), &more).await;
        until("the next one sends it", async || {
            let waiting = sql!("SELECT COUNT(*) AS n FROM mail_outbox WHERE state <> 'sent'");
            let row = app.app.db.read().await.unwrap().one(waiting, vec![]).await.unwrap();
            row.unwrap().get::<u64>("n").unwrap() == 0
        })
        .await;
        let copies = std::mem::take(&mut *server.taken.lock().unwrap());
        assert_eq!(copies.len(), if word == END { 2 } else { 1 }, "killed at {word}");
        assert!(copies.iter().all(|it| message_id(it) == message_id(&copies[0])), "killed at {word}");
        drop(second);
    }
}

//! Letters are written down first, sent once, tried again, and given up: on both databases, against a real mail server.

use crate::sending::{INSTALLATION, at, mailer, plain, variables};
use crate::sink::{Sink, Wants, show};
use crate::world::Database;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use turnpike::clock::Clock;
use turnpike::db::Conn;
use turnpike::mail::outbox::{self, Acknowledged, Fate, Filter, NewLetter, NotSent, State};
use turnpike::mail::{Letters, Mailer, Outcome, Outgoing, Purpose, Transport, send_due};
use turnpike::{params, sql};

pub struct Office {
    database: Database,
    letters: Letters,
    pub clock: Clock,
}

impl Office {
    pub async fn new() -> Self {
        let database = Database::new().await;
        Self { database, letters: Letters::load(None).unwrap(), clock: Clock::fixed(at()) }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Queues a threshold letter; its key is its address.
    pub async fn queue(&self, address: &str) -> bool {
        self.queue_as("threshold", address).await
    }

    async fn queue_as(&self, template: &str, address: &str) -> bool {
        let mut tx = self.database.db.begin().await.unwrap();
        let new = put(&mut tx, template, address, self.now()).await;
        tx.commit().await.unwrap();
        new
    }

    pub async fn step(&self, mailer: &Mailer) -> Outcome {
        send_due(&self.database.db, &self.letters, mailer, &self.clock, "first").await.unwrap()
    }

    async fn entries(&self) -> Vec<outbox::Entry> {
        outbox::list(&mut self.database.db.read().await.unwrap(), Filter::default(), 100).await.unwrap()
    }

    /// The only letter.
    pub async fn entry(&self) -> outbox::Entry {
        let mut entries = self.entries().await;
        assert_eq!(entries.len(), 1);
        entries.remove(0)
    }

    async fn retry(&self, id: u64) -> bool {
        let mut tx = self.database.db.begin().await.unwrap();
        let retried = outbox::retry_dead(&mut tx, id, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        retried
    }
}

async fn put(conn: &mut Conn, template: &str, address: &str, now: DateTime<Utc>) -> bool {
    let variables = variables("Ada Byron");
    let letter = NewLetter {
        service_id: 41,
        purpose: Purpose::Threshold,
        template,
        to_name: "Ada Byron",
        to_address: address,
        variables: &variables,
        dedupe_key: address,
    };
    outbox::queue(conn, letter, now).await.unwrap()
}

const SENT: Outcome = Outcome { sent: 1, retried: 0, dead: 0, more: false };
const RETRIED: Outcome = Outcome { sent: 0, retried: 1, dead: 0, more: false };
const DEAD: Outcome = Outcome { sent: 0, retried: 0, dead: 1, more: false };
const NOTHING: Outcome = Outcome { sent: 0, retried: 0, dead: 0, more: false };

#[tokio::test]
async fn a_letter_is_queued_once_for_its_key_and_sent_once() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    assert!(office.queue("ada@example.net").await);
    assert!(!office.queue("ada@example.net").await);
    let mailer = plain(sink.port);
    assert_eq!(office.step(&mailer).await, SENT);
    assert_eq!(office.step(&mailer).await, NOTHING);
    let message = sink.next();
    let entry = office.entry().await;
    assert_eq!(message["message_id"], format!("<outbox-{}.{INSTALLATION}@example.net>", entry.id));
    assert_eq!(message["to"], json!([{"name": "Ada Byron", "address": "ada@example.net"}]));
    assert_eq!((entry.state, entry.tries, entry.sent_at, entry.note), (State::Sent, 1, Some(at()), None));
    // Sent is not forgotten: the same crossing tells nobody twice.
    assert!(!office.queue("ada@example.net").await);
    assert_eq!(sink.rest(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_decision_that_is_rolled_back_sends_nothing() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let mut tx = office.database.db.begin().await.unwrap();
    assert!(put(&mut tx, "threshold", "ada@example.net", office.now()).await);
    drop(tx);
    assert_eq!(office.step(&plain(sink.port)).await, NOTHING);
    assert!(office.queue("ada@example.net").await);
}

#[tokio::test]
async fn a_greylisted_letter_goes_out_a_minute_later() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let mailer = plain(sink.port);
    office.queue("greylisted@example.net").await;
    assert_eq!(office.step(&mailer).await, RETRIED);
    let entry = office.entry().await;
    assert_eq!((entry.state, entry.due_at), (State::Queued, at() + Duration::minutes(1)));
    assert!(entry.note.unwrap().contains("451"));
    office.clock.advance(Duration::seconds(59));
    assert_eq!(office.step(&mailer).await, NOTHING);
    office.clock.advance(Duration::seconds(1));
    assert_eq!(office.step(&mailer).await, SENT);
    assert_eq!(sink.next()["envelope_to"], json!(["greylisted@example.net"]));
    assert_eq!((office.entry().await.note, office.entry().await.tries), (None, 2));
}

#[tokio::test]
async fn a_refused_recipient_is_dead_at_once_and_holds_nobody_up() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let mailer = plain(sink.port);
    for address in ["nobody@example.net", "not-an-address", "ada@example.net"] {
        office.queue(address).await;
    }
    assert_eq!(office.step(&mailer).await, Outcome { sent: 1, dead: 2, ..NOTHING });
    assert_eq!(sink.next()["envelope_to"], json!(["ada@example.net"]));
    let dead: Vec<_> = office.entries().await.into_iter().filter(|entry| entry.state == State::Dead).collect();
    assert!(
        dead[1].note.as_ref().unwrap().contains("550") && dead[0].note.as_ref().unwrap().contains("no mail address")
    );

    assert!(office.retry(dead[1].id).await);
    assert_eq!(office.step(&mailer).await, DEAD);
    let sent = office.entries().await.into_iter().find(|entry| entry.state == State::Sent).unwrap();
    assert!(!office.retry(sent.id).await);
    assert!(!office.retry(9_999).await);
}

#[tokio::test]
async fn an_address_too_long_to_be_one_is_not_cut_into_another() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let address = format!("{}ada@example.net", "a".repeat(250));
    let variables = variables("Ada");
    let mut tx = office.database.db.begin().await.unwrap();
    let letter = NewLetter {
        service_id: 41,
        purpose: Purpose::Suspension,
        template: "suspension",
        to_name: &"Ada ".repeat(100),
        to_address: &address,
        variables: &variables,
        dedupe_key: "long",
    };
    assert!(outbox::queue(&mut tx, letter, at()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(office.step(&plain(sink.port)).await, DEAD);
    assert!(office.entry().await.note.unwrap().contains("no mail address"));
}

#[tokio::test]
async fn a_server_that_comes_back_gets_what_waited() {
    let office = Office::new().await;
    let sink = Sink::start(Wants::default());
    let (port, mailer) = (sink.port, plain(sink.port));
    drop(sink);
    for address in ["a@example.net", "b@example.net", "c@example.net"] {
        office.queue(address).await;
    }
    assert_eq!(office.step(&mailer).await, Outcome { retried: 3, ..NOTHING });
    assert!(office.entries().await.iter().all(|entry| entry.note.as_ref().unwrap().contains("cannot be reached")));
    let sink = Sink::start(Wants { port, ..Wants::default() });
    assert_eq!(office.step(&mailer).await, NOTHING);
    office.clock.advance(Duration::minutes(1));
    assert_eq!(office.step(&mailer).await, Outcome { sent: 3, ..NOTHING });
    let to: Vec<_> = (0..3).map(|_| sink.next()["envelope_to"][0].clone()).collect();
    assert_eq!(to, ["a@example.net", "b@example.net", "c@example.net"]);
}

#[tokio::test]
async fn after_ten_tries_a_letter_is_dead_until_somebody_says_otherwise() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let mailer = plain(sink.port);
    office.queue("full@example.net").await;
    let mut pauses = Vec::new();
    for _ in 1..10 {
        let before = office.now();
        assert_eq!(office.step(&mailer).await, RETRIED);
        office.clock.set(office.entry().await.due_at);
        pauses.push((office.now() - before).num_minutes());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert_eq!(office.step(&mailer).await, DEAD);
    office.clock.advance(Duration::days(30));
    assert_eq!(office.step(&mailer).await, NOTHING);
    let entry = office.entry().await;
    assert_eq!((entry.state, entry.tries), (State::Dead, 10));
    assert!(office.retry(entry.id).await);
    assert_eq!(office.step(&mailer).await, RETRIED);
}

#[tokio::test]
async fn several_senders_share_the_box_without_sending_twice() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    for number in 0..45 {
        office.queue(&format!("c{number}@example.net")).await;
    }
    let senders = ["one", "two", "three", "four"].map(|owner| {
        let (db, letters, clock) = (office.database.db.clone(), office.letters.clone(), office.clock.clone());
        let mailer = plain(sink.port);
        tokio::spawn(async move {
            let mut sent = 0;
            loop {
                let outcome = send_due(&db, &letters, &mailer, &clock, owner).await.unwrap();
                sent += outcome.sent;
                if !outcome.more {
                    break sent;
                }
            }
        })
    });
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.unwrap();
    }
    assert_eq!(sent, 45);
    let mut to: Vec<_> = (0..45).map(|_| sink.next()["envelope_to"][0].to_string()).collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 45);
    assert_eq!(sink.rest(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn killed_between_taking_over_and_the_mark_it_is_sent_again_under_the_same_id() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let mailer = plain(sink.port);
    office.queue("ada@example.net").await;
    let claimed = outbox::claim_due(&office.database.db, "killed", office.now(), 10).await.unwrap().remove(0);
    let letter = office.letters.render(claimed.purpose, &claimed.template, &claimed.variables).unwrap();
    let mut session = mailer.session().unwrap();
    let outgoing = Outgoing {
        outbox_id: claimed.id,
        to_name: &claimed.to_name,
        to_address: &claimed.to_address,
        letter: &letter,
        date: office.now(),
    };
    session.deliver(&outgoing).await.unwrap();
    drop(session);
    // The mark is never made. Nobody touches the letter while the lease lasts.
    office.clock.advance(outbox::LEASE - Duration::milliseconds(1));
    assert_eq!(office.step(&mailer).await, NOTHING);
    office.clock.advance(Duration::milliseconds(1));
    assert_eq!(office.step(&mailer).await, SENT);
    assert_eq!(sink.next()["message_id"], sink.next()["message_id"]);
    assert_eq!(office.entry().await.tries, 2);
}

#[tokio::test]
async fn killed_before_sending_it_is_sent_when_the_lease_ends_and_not_for_ever() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    office.queue("ada@example.net").await;
    for _ in 0..outbox::MOST_TRIES {
        assert_eq!(outbox::claim_due(&office.database.db, "killed", office.now(), 10).await.unwrap().len(), 1);
        assert_eq!(office.step(&plain(sink.port)).await, NOTHING);
        office.clock.advance(outbox::LEASE);
    }
    assert_eq!(office.step(&plain(sink.port)).await, NOTHING);
    let entry = office.entry().await;
    assert_eq!(entry.state, State::Dead);
    assert!(entry.note.unwrap().contains("given up"));
}

#[tokio::test]
async fn what_lay_untried_for_a_week_is_not_sent_as_if_it_were_news() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    let mailer = plain(sink.port);
    office.queue("old@example.net").await;
    office.clock.advance(outbox::STALE - Duration::days(1));
    office.queue("new@example.net").await;
    office.clock.advance(Duration::days(1));
    assert_eq!(office.step(&mailer).await, SENT);
    assert_eq!(sink.next()["envelope_to"], json!(["new@example.net"]));
    assert_eq!(office.step(&mailer).await, NOTHING);
    assert_eq!(outbox::give_up_stale(&office.database.db, office.now()).await.unwrap(), 1);
    let old = office.entries().await.remove(1);
    assert!(old.state == State::Dead && old.note.unwrap().contains("for a week"));
    assert!(office.retry(old.id).await);
    assert_eq!(office.step(&mailer).await, SENT);
    assert_eq!(sink.next()["envelope_to"], json!(["old@example.net"]));
}

/// A clock that leaps a month ahead makes no letter old, and one that is set back keeps none waiting.
#[tokio::test]
async fn clocks_that_leap_lose_no_letter() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    office.queue("ada@example.net").await;
    office.clock.advance(Duration::days(30));
    assert_eq!(office.step(&plain(sink.port)).await, NOTHING);
    // Taken, and its owner killed, by a clock a day ahead.
    office.clock.set(office.now() - Duration::days(29));
    office.queue("grace@example.net").await;
    assert_eq!(outbox::claim_due(&office.database.db, "killed", office.now(), 10).await.unwrap().len(), 2);
    office.clock.set(office.now() - Duration::days(1));
    assert_eq!(office.step(&plain(sink.port)).await, Outcome { sent: 2, ..NOTHING });
}

/// Two sidecars' clocks differ a little: what one has handed out, or put off, the other leaves alone.
#[tokio::test]
async fn a_clock_that_is_a_little_behind_takes_nothing_from_another() {
    let office = Office::new().await;
    office.queue("ada@example.net").await;
    let db = &office.database.db;
    let ahead = office.now() + Duration::seconds(15);
    assert_eq!(outbox::hand_out(db, ahead, 10).await.unwrap().len(), 1);
    assert_eq!(outbox::hand_out(db, office.now(), 10).await.unwrap().len(), 0);
    assert_eq!(outbox::claim_due(db, "behind", office.now(), 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn who_lost_the_lease_may_say_that_it_left_but_not_that_it_failed() {
    let office = Office::new().await;
    let db = &office.database.db;
    office.queue("ada@example.net").await;
    let id = outbox::claim_due(db, "slow", office.now(), 1).await.unwrap()[0].id;
    office.clock.advance(outbox::LEASE);
    assert_eq!(outbox::claim_due(db, "quick", office.now(), 1).await.unwrap()[0].id, id);
    assert_eq!(outbox::failed(db, "slow", id, (true, "late"), office.now()).await.unwrap(), Fate::NotOurs);
    assert_eq!(office.entry().await.state, State::Queued);
    outbox::delivered(db, id, None, office.now()).await.unwrap();
    assert_eq!(outbox::failed(db, "quick", id, (true, "twice"), office.now()).await.unwrap(), Fate::NotOurs);
    assert_eq!(office.entry().await.state, State::Sent);
}

#[tokio::test]
async fn what_was_taken_and_not_tried_goes_back_without_a_try() {
    let office = Office::new().await;
    let db = &office.database.db;
    office.queue("ada@example.net").await;
    let id = outbox::claim_due(db, "first", office.now(), 1).await.unwrap()[0].id;
    outbox::put_back(db, "other", id).await.unwrap();
    assert_eq!(office.entry().await.tries, 1);
    outbox::put_back(db, "first", id).await.unwrap();
    assert_eq!(office.entry().await.tries, 0);
    assert_eq!(outbox::claim_due(db, "second", office.now(), 1).await.unwrap()[0].id, id);
}

#[tokio::test]
async fn an_unknown_template_is_sent_as_the_built_in_letter_and_noted() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    office.queue_as("Low traffic", "ada@example.net").await;
    assert_eq!(office.step(&plain(sink.port)).await, SENT);
    assert_eq!(sink.next()["subject"], "Traffic less than 5 GB - 7-41");
    assert!(office.entry().await.note.unwrap().contains("\"Low traffic\""));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_no_other() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    office.queue("broken@example.net").await;
    let sql = sql!("UPDATE mail_outbox SET variables = ? WHERE service_id = 41");
    office.database.db.execute(sql, params!["{"]).await.unwrap();
    office.queue("ada@example.net").await;
    assert_eq!(office.step(&plain(sink.port)).await, SENT);
    let entries = office.entries().await;
    assert_eq!((entries[0].state, entries[1].state), (State::Sent, State::Dead));
}

#[tokio::test]
async fn the_file_transport_empties_the_box_into_a_folder() {
    let office = Office::new().await;
    let folder = tempfile::tempdir().unwrap();
    office.queue("ada@example.net").await;
    assert_eq!(office.step(&mailer(Transport::File { folder: folder.path().to_owned() })).await, SENT);
    let file = folder.path().join(format!("{}.eml", office.entry().await.id));
    assert_eq!(show(&file)["to"][0]["address"], "ada@example.net");
}

#[tokio::test]
async fn whmcs_is_handed_letters_and_says_what_became_of_them() {
    let office = Office::new().await;
    let db = &office.database.db;
    for address in ["a@example.net", "b@example.net", "c@example.net"] {
        office.queue_as("Our low traffic", address).await;
    }
    assert_eq!(office.step(&mailer(Transport::Whmcs)).await, NOTHING);
    assert_eq!(office.step(&mailer(Transport::Off)).await, NOTHING);
    let handed = outbox::hand_out(db, office.now(), 2).await.unwrap();
    assert_eq!(handed.len(), 2);
    let (a, b) = (handed[0].id, handed[1].id);
    assert_eq!(
        serde_json::to_value(&handed[0]).unwrap(),
        json!({"id": a, "template": "Our low traffic", "service_id": 41, "variables": {
            "username": "7-41", "client_name": "Ada Byron", "notification_traffic_remainder": "5",
            "traffic_balance_gb": "4.2000", "traffic_billingcycle_gb": "10.0000", "next_due_date": "2026-12-01",
            "server_address": "vpn1.example.net", "service_id": 41}})
    );
    // The next cron run gets the third; these two are waited for.
    let third = outbox::hand_out(db, office.now(), 10).await.unwrap();
    assert_eq!(third.len(), 1);
    let c = third[0].id;
    let failed = [NotSent { id: b, why: "Sending Failed".to_owned(), is_final: false }];
    for heard in [Acknowledged { delivered: 1, retried: 1, dead: 0 }, Acknowledged::default()] {
        assert_eq!(outbox::acknowledge(db, &[a, 9_999], &failed, office.now()).await.unwrap(), heard);
    }
    let entries = office.entries().await;
    let states: Vec<_> = entries.iter().map(|entry| (entry.id, entry.state)).collect();
    assert_eq!(states, [(c, State::Queued), (b, State::Queued), (a, State::Sent)]);
    assert!(entries[1].note.as_ref().unwrap().contains("Sending Failed"));
    // One minute for the failed one, fifteen for the one of which nothing was heard.
    office.clock.advance(Duration::minutes(1));
    assert_eq!(outbox::hand_out(db, office.now(), 10).await.unwrap()[0].id, b);
    office.clock.advance(Duration::minutes(14));
    let again: Vec<_> = outbox::hand_out(db, office.now(), 10).await.unwrap().iter().map(|handed| handed.id).collect();
    assert_eq!(again, [c]);
    // One is not sent, and will not be: whoever mends that has it sent by a button.
    let refused = [NotSent { id: c, why: "the template is disabled".to_owned(), is_final: true }];
    assert_eq!(
        outbox::acknowledge(db, &[b], &refused, office.now()).await.unwrap(),
        Acknowledged { delivered: 1, retried: 0, dead: 1 }
    );
    assert!(outbox::hand_out(db, office.now() + Duration::days(1), 10).await.unwrap().is_empty());
    let mut tx = db.begin().await.unwrap();
    assert!(outbox::retry_dead(&mut tx, c, office.now()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(outbox::hand_out(db, office.now(), 10).await.unwrap()[0].id, c);
}

#[tokio::test]
async fn a_letter_that_was_never_handed_out_cannot_be_acknowledged_away() {
    let office = Office::new().await;
    office.queue("ada@example.net").await;
    let id = office.entry().await.id;
    let heard = outbox::acknowledge(
        &office.database.db,
        &[id],
        &[NotSent { id, why: "no".into(), is_final: false }],
        office.now(),
    )
    .await
    .unwrap();
    assert_eq!(heard, Acknowledged::default());
    assert_eq!(office.entry().await.state, State::Queued);
}

#[tokio::test]
async fn letters_are_counted_and_listed() {
    let (office, sink) = (Office::new().await, Sink::start(Wants::default()));
    office.queue("nobody@example.net").await;
    office.queue("ada@example.net").await;
    office.step(&plain(sink.port)).await;
    office.clock.advance(Duration::hours(1));
    office.queue("bob@example.net").await;
    let mut conn = office.database.db.read().await.unwrap();
    let counts = outbox::counts(&mut conn).await.unwrap();
    assert_eq!((counts.queued, counts.sent, counts.dead), (1, 1, 1));
    assert_eq!(counts.waiting_since, Some(at() + Duration::hours(1)));
    let dead = Filter { state: Some(State::Dead), ..Filter::default() };
    assert_eq!(outbox::list(&mut conn, dead, 10).await.unwrap()[0].to_address, "nobody@example.net");
    let page = outbox::list(&mut conn, Filter { service_id: Some(41), ..Filter::default() }, 2).await.unwrap();
    let older = Filter { before: Some(page[1].id), ..Filter::default() };
    assert_eq!(page.len() + outbox::list(&mut conn, older, 2).await.unwrap().len(), 3);
    let nobody = Filter { service_id: Some(42), ..Filter::default() };
    assert_eq!(outbox::list(&mut conn, nobody, 10).await.unwrap(), []);
}

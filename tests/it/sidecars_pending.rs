//! A change that is decided while another is decided, or made, is made.

use crate::world::TestApp;
use std::{sync::Arc, time::Duration};
use turnpike::{
    account::{Account, State, pending},
    db::Db,
    params,
    simulator::{Fault, When},
    sql,
};

const SERVER: u64 = 3;

async fn decided(db: &Db, at: chrono::DateTime<chrono::Utc>) -> turnpike::db::Result<()> {
    turnpike::in_tx!(db, tx => pending::decide(&mut tx, (SERVER, 41), pending::Kind::Change, false, at).await)
}

/// What is made up to an id is deleted up to it: one that is committed later must have a later one, whatever its clock says.
#[tokio::test(flavor = "multi_thread")]
async fn who_decides_waits_for_who_is_deciding() {
    let app = TestApp::new().await;
    app.create(41).await;
    let now = app.clock.now();
    let mut first = app.app.db.begin().await.unwrap();
    let ahead = now + chrono::Duration::minutes(1);
    pending::decide(&mut first, (SERVER, 41), pending::Kind::Change, true, ahead).await.unwrap();
    let db = app.app.db.clone();
    let second = tokio::spawn(async move { decided(&db, now).await });
    // Time enough to be there too early.
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.commit().await.unwrap();
    second.await.unwrap().unwrap();
    let all = pending::of_service(&mut app.app.db.read().await.unwrap(), 41).await.unwrap();
    assert_eq!(all.iter().map(|it| it.kick).collect::<Vec<_>>(), [true, false], "{all:?}");
}

/// Create is asked for again for a suspended customer. Who has paid meanwhile, says another sidecar before the router has
/// answered, is let in: that was not in what was made.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_sidecar_decides_during_a_create_is_made() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.hook("suspend", &app.body(41)).await.ok();
    assert_eq!(app.secret(&user, "disabled").unwrap(), "true");
    let (db, now, runtime) = (app.app.db.clone(), app.clock.now(), tokio::runtime::Handle::current());
    let paid = Arc::new(move || {
        let db = db.clone();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let done: turnpike::db::Result<()> = turnpike::in_tx!(db, tx => {
                    let mut account = Account::find_locked(&mut tx, 41).await?.unwrap();
                    account.causes.billing = false;
                    account.save(&mut tx, now).await?;
                    pending::decide(&mut tx, (SERVER, 41), pending::Kind::Enable, false, now).await
                });
                done.unwrap();
            });
        });
    });
    // The first change of the create's own: its intent is written by then.
    app.router.fault_at(When::nth("/queue/simple/print", 1), Fault::call(move |_| paid()));
    app.hook("create", &app.body(41)).await.ok();
    for _ in 0..2 {
        app.pass(chrono::Duration::minutes(1));
        app.step().await;
    }
    let waits = app.app.db.read().await.unwrap().rows(sql!("SELECT id FROM pending"), params![]).await.unwrap();
    assert_eq!((app.secret(&user, "disabled").unwrap().as_str(), waits.len()), ("false", 0));
    let account = Account::find(&mut app.app.db.read().await.unwrap(), 41).await.unwrap().unwrap();
    assert!(account.causes.is_enabled());
}

/// A termination that lost its router is finished when it returns. Who renews at another sidecar at that very moment keeps
/// the service: the renewal waits for no router, and was answered.
#[tokio::test(flavor = "multi_thread")]
async fn who_renews_while_an_old_termination_is_finished_keeps_the_service() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    // Gone from the router or not when the renewal comes.
    for path in ["/ppp/secret/remove", "/queue/simple/remove"] {
        // What a termination that lost its router leaves behind.
        let left: turnpike::db::Result<()> = turnpike::in_tx!(app.app.db, tx => {
            pending::decide(&mut tx, (SERVER, 41), pending::Kind::Remove, false, app.clock.now()).await
        });
        left.unwrap();
        let (db, now, runtime) = (app.app.db.clone(), app.clock.now(), tokio::runtime::Handle::current());
        let renewed = move || {
            let done: turnpike::db::Result<()> = tokio::task::block_in_place(|| {
                runtime.block_on(async {
                    turnpike::in_tx!(db, tx => {
                        let account = Account::find_locked(&mut tx, 41).await?.unwrap();
                        // With a clock that is a little behind.
                        let then = now - chrono::Duration::minutes(1);
                        pending::undo_removal(&mut tx, (SERVER, 41), then).await?;
                        assert_eq!(account.state, State::Made);
                        turnpike::db::Result::Ok(())
                    })
                })
            });
            done.unwrap();
        };
        app.router.fault_at(When::at(path), Fault::call(move |_| renewed()));
        for _ in 0..3 {
            app.pass(chrono::Duration::minutes(1));
            app.step().await;
        }
        let account = Account::find(&mut app.app.db.read().await.unwrap(), 41).await.unwrap().unwrap();
        assert_eq!(account.state, State::Made, "{path}");
        assert_eq!(app.secret(&user, "disabled").as_deref(), Some("false"), "{path}");
        assert!(app.queue(&user, "max-limit").is_some(), "{path}");
        assert_eq!(pending::count(&mut app.app.db.read().await.unwrap(), 41).await.unwrap(), 0, "{path}");
    }
}
